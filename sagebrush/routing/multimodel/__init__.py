"""Multi-model endpoints: which replica has which models loaded, and what loads and unloads them."""
