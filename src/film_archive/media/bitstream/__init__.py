"""What coded frames and their parameter sets say of themselves, whatever container they lie in."""
