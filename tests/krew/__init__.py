"""The archive, and the real krew with it; `make krew-test`. `make pip-test`: the wheel and the source archive."""
