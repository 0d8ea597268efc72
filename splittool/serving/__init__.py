"""Head and tail on two hosts: the cloud's server, the edge's client, and a link to test them on."""
