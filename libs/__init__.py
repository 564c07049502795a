"""Libraries shared by the services: vocabulary, plumbing, vision, and the one-machine stack."""
