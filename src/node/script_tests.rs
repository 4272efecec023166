//! The script itself, run here under every shell that is at hand.
