# Installs k3s as its own script would: `install.sh server|agent`, with the configuration on standard input. The programs are in
# /usr/local/bin.
set -eu
role=$1
unit=k3s
[ "$role" = server ] || unit=k3s-agent
mkdir -p /etc/rancher/k3s
cat > /etc/rancher/k3s/config.yaml
for link in kubectl crictl ctr; do
    ln -sf k3s "/usr/local/bin/$link"
done
: > "/etc/systemd/system/$unit.service.env"
cat > "/etc/systemd/system/$unit.service" <<UNIT
[Unit]
Description=Lightweight Kubernetes
Wants=network-online.target
After=network-online.target

[Install]
WantedBy=multi-user.target

[Service]
Type=notify
EnvironmentFile=-/etc/systemd/system/$unit.service.env
KillMode=process
Delegate=yes
TasksMax=infinity
TimeoutStartSec=0
Restart=always
RestartSec=5s
ExecStart=/usr/local/bin/k3s $role
UNIT
systemctl daemon-reload
systemctl enable --quiet "$unit"
systemctl restart "$unit"
