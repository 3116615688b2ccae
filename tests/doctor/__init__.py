"""Programs that do not learn, each with a healthy twin that differs in the one cause alone."""
