# A Docker engine with its command and `docker compose`. It does not start in here, and starts when the host boots.
no_starts
fetch
install docker.io docker-cli docker-compose iptables
tidy_server
