from __future__ import annotations

import pytest

from tracker.demo.visitor import Answer, UnexpectedPage

PAGE = """
<form method="get" action="/search"><input name="q"></form>
<form class="slip" method="post" action="/en/campaigns/x/sign" novalidate>
  <input type="hidden" name="csrf_token" value="a&quot;b">
  <input id="name" maxlength="100" name="name" required type="text" value="">
  <select id="country" name="country" required><option value="">Choose</option>
    <option selected value="PK">Pakistan</option><option value="IT">Italy</option></select>
  <textarea name="comment" rows="4">
two &amp; three</textarea>
  <input name="alerts" type="radio" value="yes">
  <input checked name="alerts" type="radio" value="no">
  <input name="holds" type="checkbox" value="y">
  <button name="more" value="1" type="submit">More</button>
</form>
"""


def test_a_form_is_sent_as_a_browser_would() -> None:
    form = Answer(200, "http://127.0.0.1/en/campaigns/x", PAGE).form(having="name")
    assert form.action == "http://127.0.0.1/en/campaigns/x/sign"
    assert form.with_values({"name": "Ada"}) == {
        "csrf_token": 'a"b',
        "name": "Ada",
        "country": "PK",
        "comment": "two & three",
        "alerts": "no",
    }
    assert "holds" in form.names


def test_a_field_that_is_not_there_is_told() -> None:
    page = Answer(200, "http://127.0.0.1/", PAGE)
    with pytest.raises(UnexpectedPage, match="has no shoe_size"):
        page.form(action="/sign").with_values({"shoe_size": "41"})
    with pytest.raises(UnexpectedPage, match="no form with nothing_like_it"):
        page.form(having="nothing_like_it")


def test_messages_carry_no_secret_of_a_link() -> None:
    secret = "a" * 43
    with pytest.raises(UnexpectedPage) as told:
        Answer(410, f"http://127.0.0.1/en/confirm/signature/{secret}", "").expect()
    assert secret not in str(told.value)
