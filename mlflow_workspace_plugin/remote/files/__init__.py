"""Files of a served hub, as a script stores and reads them."""
