"""Jobs in containers of the host's Docker or Podman."""
