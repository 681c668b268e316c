"""What every feature uses; no word of any feature may appear in here."""
