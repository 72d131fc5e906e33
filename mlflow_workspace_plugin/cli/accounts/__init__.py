"""The commands about who may use a served hub: ``login``, ``logout``, ``user``, ``token``."""
