"""The demo district: real administrative codes of Lishi District, everything else synthetic and named as such."""
