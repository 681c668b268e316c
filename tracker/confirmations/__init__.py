"""What signing, subscribing and endorsing share: proof by mail."""
