"""Messages that come back, as mail servers and people write them; the wording is our own.

``@SENDER@`` stands for the return address of the mail, ``@STOP@`` for the unsubscribe address;
:func:`eml` fills them in.
"""

from __future__ import annotations


def eml(text: str, *, sender: str = "", stop: str = "") -> bytes:
    """A message as SMTP carries it, with the addresses filled in."""
    filled = text.replace("@SENDER@", sender).replace("@STOP@", stop)
    return filled.lstrip("\n").replace("\n", "\r\n").encode()


POSTFIX = """
Return-Path: <>
Delivered-To: @SENDER@
Received: by mx.example.org (Postfix) id 4Tn1; Fri, 27 Nov 2026 10:00:00 +0000 (UTC)
Date: Fri, 27 Nov 2026 10:00:00 +0000 (UTC)
From: MAILER-DAEMON@mx.example.org (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: @SENDER@
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="4Tn1.1764/mx.example.org"

This is a MIME-encapsulated message.

--4Tn1.1764/mx.example.org
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

Your mail did not reach everybody.

--4Tn1.1764/mx.example.org
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org
X-Postfix-Queue-ID: 4Tn1
X-Postfix-Sender: rfc822; @SENDER@
Arrival-Date: Fri, 27 Nov 2026 10:00:00 +0000 (UTC)

Final-Recipient: rfc822; sara@example.net
Original-Recipient: rfc822;sara@example.net
Action: failed
Status: 5.1.1
Diagnostic-Code: x-unix; no such person

--4Tn1.1764/mx.example.org
Content-Description: Undelivered Message
Content-Type: message/rfc822

From: alerts@example.org
To: sara@example.net
Subject: News

Text.

--4Tn1.1764/mx.example.org--
"""
"""Unknown mailbox."""

EXIM = """
Return-path: <>
Envelope-to: @SENDER@
From: Mail Delivery System <Mailer-Daemon@exim.example.net>
To: @SENDER@
Auto-Submitted: auto-replied
X-Failed-Recipients: sara@example.net
Content-Type: multipart/report; report-type=delivery-status; boundary=1764-eximdsn-77
MIME-Version: 1.0
Subject: Mail delivery failed: returning message to sender

--1764-eximdsn-77
Content-type: text/plain; charset=us-ascii

  sara@example.net: gone

--1764-eximdsn-77
Content-type: message/delivery-status

Reporting-MTA: dns; exim.example.net

Action: failed
Final-Recipient: rfc822;sara@example.net
Status: 5.0.0
Remote-MTA: dns; mx.example.net
Diagnostic-Code: smtp; 550-5.1.1 first line
 550 5.1.1 second line

--1764-eximdsn-77
Content-type: message/rfc822

Return-path: <@SENDER@>
From: alerts@example.org

Text.

--1764-eximdsn-77--
"""
"""Unknown mailbox; the code is in the reply only."""

EXCHANGE = """
From: <postmaster@outlook.example.com>
To: <@SENDER@>
Date: Fri, 27 Nov 2026 10:00:00 +0000
Content-Type: multipart/report; report-type=delivery-status;
 boundary="8a7e-0f3b"
Content-Language: en-GB
Subject: Undeliverable: News
Auto-Submitted: auto-replied
MIME-Version: 1.0

--8a7e-0f3b
Content-Type: multipart/alternative; differences=Content-Type;
 boundary="inner-8a7e"

--inner-8a7e
Content-Type: text/plain; charset="us-ascii"
Content-Transfer-Encoding: quoted-printable

Not found=20

--inner-8a7e
Content-Type: text/html; charset="us-ascii"

<p>Not found</p>

--inner-8a7e--

--8a7e-0f3b
Content-Type: message/delivery-status

Reporting-MTA: dns;ex01.outlook.example.com
Received-From-MTA: dns;mx.example.org
Arrival-Date: Fri, 27 Nov 2026 09:59:58 +0000

Original-Recipient: rfc822;sara@example.net
Final-Recipient: rfc822;sara@example.net
Action: failed
Status: 5.1.10
Diagnostic-Code: smtp;550 5.1.10 RESOLVER; nobody of that name
X-Display-Name: Sara

--8a7e-0f3b
Content-Type: message/rfc822

From: alerts@example.org
Subject: News

--8a7e-0f3b--
"""
"""Unknown mailbox."""

GMAIL = """
Delivered-To: @SENDER@
Return-Path: <>
Content-Type: multipart/report; boundary="0000a1b2c3"; report-type=delivery-status
To: @SENDER@
From: Mail Delivery Subsystem <mailer-daemon@mail.example.com>
Auto-Submitted: auto-replied
Subject: Delivery Status Notification (Failure)
X-Failed-Recipients: sara@example.net

--0000a1b2c3
Content-Type: multipart/related; boundary="0000a1b2c4"

--0000a1b2c4
Content-Type: multipart/alternative; boundary="0000a1b2c5"

--0000a1b2c5
Content-Type: text/plain; charset="UTF-8"

Full.

--0000a1b2c5--
--0000a1b2c4
Content-Type: image/png; name="icon.png"
Content-Transfer-Encoding: base64

iVBORw0KGgo=
--0000a1b2c4--
--0000a1b2c3
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example.com
Arrival-Date: Fri, 27 Nov 2026 02:00:00 -0800 (PST)

Final-Recipient: rfc822; sara@example.net
Action: failed
Status: 5.2.2
Remote-MTA: dns; mx.example.net. (192.0.2.4, the server for example.net.)
Diagnostic-Code: smtp; 552-5.2.2 over quota
Last-Attempt-Date: Fri, 27 Nov 2026 02:00:01 -0800 (PST)

--0000a1b2c3
Content-Type: message/rfc822

From: alerts@example.org

Text.
--0000a1b2c3--
"""
"""Full mailbox."""

YAHOO = """
From: MAILER-DAEMON@mta.example.com
To: @SENDER@
Subject: Failure Notice
MIME-Version: 1.0
Content-Type: multipart/report; report-type="delivery-status"; boundary="=_yy"

--=_yy
Content-Type: text/plain

No.

--=_yy
content-type: MESSAGE/DELIVERY-STATUS

reporting-mta: dns;mta.example.com

final-recipient: RFC822;sara@example.net
action: FAILED
status: 5.2.1 (mailbox switched off)
diagnostic-code: smtp;554 delivery error

--=_yy
Content-Type: text/rfc822-headers

From: alerts@example.org

--=_yy--
"""
"""Mailbox switched off."""

SENDMAIL_WARNING = """
From: Mail Delivery Subsystem <MAILER-DAEMON@sendmail.example.net>
To: <@SENDER@>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
        boundary="xARA0001.1764/sendmail.example.net"
Subject: Warning: could not send message for past 4 hours
Auto-Submitted: auto-generated (warning-timeout)

--xARA0001.1764/sendmail.example.net

Still trying.

--xARA0001.1764/sendmail.example.net
Content-Type: message/delivery-status

Reporting-MTA: dns; sendmail.example.net
Arrival-Date: Fri, 27 Nov 2026 06:00:00 GMT

Final-Recipient: RFC822; sara@example.net
Action: delayed
Status: 4.4.7
Last-Attempt-Date: Fri, 27 Nov 2026 10:00:00 GMT
Will-Retry-Until: Wed, 2 Dec 2026 06:00:00 GMT

--xARA0001.1764/sendmail.example.net
Content-Type: message/rfc822

From: alerts@example.org

--xARA0001.1764/sendmail.example.net--
"""
"""Not yet delivered."""

QMAIL = """
Return-Path: <>
Delivered-To: @SENDER@
From: MAILER-DAEMON@qmail.example.net
To: @SENDER@
Subject: failure notice

This is the mail program at qmail.example.net. It gives up.

<sara@example.net>:
192.0.2.4 does not like recipient.
Remote host said: 550 5.1.1 no such person
Action: failed
Status: 5.1.1

--- Below this line is a copy of the message.

From: alerts@example.org
"""
"""No report: words only."""

AWAY = """
From: Sara <sara@example.net>
To: @SENDER@
Subject: Out of office Re: News
Auto-Submitted: auto-replied (vacation)
Content-Type: text/plain; charset=utf-8

I am away. 550 5.1.1
"""
"""No report: somebody is on holiday."""

COMPLAINT = """
From: <feedback@provider.example.com>
Date: Fri, 27 Nov 2026 10:00:00 +0000
Subject: FW: News
To: <abuse@example.org>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report;
 boundary="part1_13d"

--part1_13d
Content-Type: text/plain; charset="US-ASCII"

Somebody pressed a button.

--part1_13d
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: SomeGenerator/1.0
Version: 1
Original-Mail-From: <@SENDER@>
Original-Rcpt-To: <sara@example.net>
Source-IP: 192.0.2.1

--part1_13d
Content-Type: message/rfc822

Return-Path: <bounces@tracker.example.org>
From: <alerts@example.org>
Subject: News

Text.

--part1_13d--
"""
"""Somebody called the mail spam."""

UNSUBSCRIBE = """
Return-Path: <sara@example.net>
From: Sara <sara@example.net>
To: @STOP@
Subject: unsubscribe

"""
"""Somebody unsubscribes by mail."""
