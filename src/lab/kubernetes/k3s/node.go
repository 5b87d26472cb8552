package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	failures "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"
)

const (
	// The magic number of overlayfs.
	overlay = 0x794c7630
	// The key of what the API server publishes.
	clientAuthority = "client-ca-file"
)

// node is a host that runs pods: containerd, kubelet and kube-proxy.
type node struct {
	configuration configuration
	processes     *processes
	data          string
	name          string
	address       string
	snapshotter   string
	// How the server is reached: filled in when it is known.
	server    string
	authority []byte
	password  string
	client    *kubernetes.Clientset
}

func newNode(configuration configuration, all *processes) (*node, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	address, err := ownAddress()
	if err != nil {
		return nil, err
	}
	return &node{
		configuration: configuration,
		processes:     all,
		data:          configuration.get("data-dir", "/var/lib/rancher/k3s"),
		name:          strings.ToLower(configuration.get("node-name", host)),
		address:       configuration.get("node-ip", address),
	}, nil
}

func (n *node) path(parts ...string) string {
	return filepath.Join(append([]string{n.data}, parts...)...)
}

// join runs a node of a cluster that another host serves. Who serves it is known by the token.
func (n *node) join() error {
	n.server = n.configuration.get("server", "")
	if n.server == "" {
		return fmt.Errorf("--server is required")
	}
	secret, err := n.configuration.secret("token")
	if err != nil {
		return err
	}
	if secret == "" {
		return fmt.Errorf("--token is required")
	}
	pin, password := splitToken(secret)
	n.password = password
	err = within(startLimit, "reach "+n.server, func() error {
		n.authority, err = authorityOf(n.server)
		return err
	})
	if err != nil {
		return err
	}
	if pin != "" && pin != fingerprint(n.authority) {
		return fmt.Errorf("token CA hash does not match the Cluster CA certificate hash: %s != %s", pin, fingerprint(n.authority))
	}
	if err := n.writeAccess(); err != nil {
		return err
	}
	err = within(startLimit, "ask the server for the cluster's settings", func() error {
		_, err := n.settings()
		return err
	})
	if err != nil {
		return err
	}
	if err := n.startContainers(); err != nil {
		return err
	}
	return n.start()
}

// splitToken parts `K10<digest>::user:password`; a token may be the password alone.
func splitToken(token string) (pin, password string) {
	rest, isFull := strings.CutPrefix(token, "K10")
	if !isFull {
		return "", token
	}
	pin, rest, found := strings.Cut(rest, "::")
	if !found {
		return "", token
	}
	_, password, found = strings.Cut(rest, ":")
	if !found {
		return pin, rest
	}
	return pin, password
}

// authorityOf is the certificate that signed that of the server, as the server sends it.
func authorityOf(server string) ([]byte, error) {
	address, err := url.Parse(server)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	// Nothing is sent here: what comes is compared with the token, and with the chain of each later connection.
	connection, err := tls.DialWithDialer(dialer, "tcp", address.Host, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	chain := connection.ConnectionState().PeerCertificates
	last := chain[len(chain)-1]
	roots := x509.NewCertPool()
	roots.AddCert(last)
	if _, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, DNSName: address.Hostname()}); err != nil {
		return nil, err
	}
	return encode("CERTIFICATE", last.Raw), nil
}

// startContainers starts containerd and hands it the images.
func (n *node) startContainers() error {
	n.snapshotter = "overlayfs"
	var about syscall.Statfs_t
	if err := os.MkdirAll(n.path("agent/containerd"), 0o711); err != nil {
		return err
	}
	if err := syscall.Statfs(n.path("agent/containerd"), &about); err != nil {
		return err
	}
	if about.Type == overlay {
		// An overlay cannot be on top of another.
		n.snapshotter = "native"
	}
	logins, err := n.writeRegistries()
	if err != nil {
		return err
	}
	settings := fmt.Sprintf(containerdSettings, n.path("agent/containerd"), containerdSocket, n.snapshotter,
		filepath.Join(support, "cni"), n.path("agent/etc/cni/net.d"), n.registries()) + logins
	path := n.path("agent/etc/containerd/config.toml")
	if err := writeFile(path, []byte(settings), 0o600); err != nil {
		return err
	}
	command := exec.Command(filepath.Join(support, "bin/containerd"), "--config", path)
	command.Env = append(os.Environ(), "PATH="+filepath.Join(support, "bin")+":"+os.Getenv("PATH"))
	if err := n.processes.start("containerd", true, command); err != nil {
		return err
	}
	err = within(startLimit, "wait for containerd", func() error {
		connection, err := net.Dial("unix", containerdSocket)
		if err == nil {
			connection.Close()
		}
		return err
	})
	if err != nil {
		return err
	}
	return n.importImages()
}

const containerdSettings = `# Written at each start.
version = 2
root = %q
state = "/run/k3s/containerd"
oom_score = 0
[debug]
  level = "warn"
[grpc]
  address = %q
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/lab/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "10010"
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = %q
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = false
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.nvidia]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.nvidia.options]
  SystemdCgroup = false
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = %q
  conf_dir = %q
[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = %q
`

// start runs kubelet and kube-proxy, and returns when the server knows the node.
func (n *node) start() error {
	if err := n.writeAccess(); err != nil {
		return err
	}
	var cluster map[string]string
	err := within(startLimit, "ask the server for the cluster's settings", func() (err error) {
		cluster, err = n.settings()
		return err
	})
	if err != nil {
		return err
	}
	if err := writeFile(n.path("agent/client-ca.crt"), []byte(cluster[clientAuthority]), 0o644); err != nil {
		return err
	}
	if err := n.startKubelet(cluster); err != nil {
		return err
	}
	if err := n.startProxy(cluster); err != nil {
		return err
	}
	return n.startNetwork(context.Background(), cluster["cluster-cidr"])
}

// settings are those of the cluster, with the authority of the certificates that clients show.
func (n *node) settings() (map[string]string, error) {
	maps := n.client.CoreV1().ConfigMaps("kube-system")
	all := map[string]string{}
	for _, name := range []string{"extension-apiserver-authentication", clusterSettings} {
		one, err := maps.Get(context.Background(), name, meta.GetOptions{})
		if failures.IsUnauthorized(err) {
			return nil, final{fmt.Errorf("not authorized: the server at %s knows no such token", n.server)}
		}
		if err != nil {
			return nil, err
		}
		for key, value := range one.Data {
			all[key] = value
		}
	}
	return all, nil
}

// writeAccess writes how the node reaches the server, first by the token. The kubelet gets a certificate by it.
func (n *node) writeAccess() error {
	settings := kubeconfig(n.server, n.authority, map[string]any{"token": n.password})
	content, err := yaml.Marshal(settings)
	if err != nil {
		return err
	}
	path := n.path("agent/token.kubeconfig")
	if err := writeFile(path, content, 0o600); err != nil {
		return err
	}
	if err := writeFile(n.path("agent/server-ca.crt"), n.authority, 0o644); err != nil {
		return err
	}
	if _, err := os.Stat("/etc/rancher/node/password"); err != nil {
		password, err := random()
		if err != nil {
			return err
		}
		if err := writeFile("/etc/rancher/node/password", []byte(password+"\n"), 0o600); err != nil {
			return err
		}
	}
	access, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		return err
	}
	n.client, err = kubernetes.NewForConfig(access)
	return err
}

func (n *node) startKubelet(cluster map[string]string) error {
	group, err := ownGroup()
	if err != nil {
		return err
	}
	settings := map[string]any{
		"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
		"cgroupDriver": "cgroupfs", "cgroupRoot": group, "failCgroupV1": false, "failSwapOn": false, "oomScoreAdj": 0,
		"containerRuntimeEndpoint": "unix://" + containerdSocket,
		"clusterDNS":               []string{cluster["cluster-dns"]}, "clusterDomain": cluster["cluster-domain"],
		"authentication": map[string]any{
			"anonymous": map[string]any{"enabled": false}, "webhook": map[string]any{"enabled": true},
			"x509": map[string]any{"clientCAFile": n.path("agent/client-ca.crt")},
		},
		"authorization": map[string]any{"mode": "Webhook"}, "serverTLSBootstrap": true, "rotateCertificates": true,
		// Absolute sizes: the disk is shared with the machine, which may be fuller than a node should be.
		"evictionHard":                map[string]string{"memory.available": "50Mi", "nodefs.available": "100Mi", "imagefs.available": "100Mi"},
		"imageGCHighThresholdPercent": 100, "imageGCLowThresholdPercent": 99,
		"volumePluginDir": n.path("agent/kubelet-plugins"), "staticPodPath": n.path("agent/pod-manifests"),
		"nodeStatusUpdateFrequency": "5s",
	}
	content, err := yaml.Marshal(settings)
	if err != nil {
		return err
	}
	path := n.path("agent/etc/kubelet.yaml")
	if err := writeFile(path, content, 0o600); err != nil {
		return err
	}
	if err := os.MkdirAll(n.path("agent/pod-manifests"), 0o700); err != nil {
		return err
	}
	arguments := []string{"kubelet", "--config=" + path, "--kubeconfig=" + n.path("agent/kubelet.kubeconfig"),
		"--bootstrap-kubeconfig=" + n.path("agent/token.kubeconfig"), "--cert-dir=" + n.path("agent/certificates"),
		"--hostname-override=" + n.name, "--node-ip=" + n.address}
	if labels := n.configuration.list("node-label"); len(labels) > 0 {
		arguments = append(arguments, "--node-labels="+strings.Join(labels, ","))
	}
	if taints := n.configuration.list("node-taint"); len(taints) > 0 {
		arguments = append(arguments, "--register-with-taints="+strings.Join(taints, ","))
	}
	return n.processes.component("kubelet", false, append(arguments, extra(n.configuration["kubelet-arg"])...)...)
}

// extra are the arguments that a user adds for a component, written without dashes.
func extra(values []string) []string {
	var all []string
	for _, value := range values {
		all = append(all, "--"+strings.TrimLeft(value, "-"))
	}
	return all
}

// ownGroup is the control group of the host, below which those of pods are.
func ownGroup() (string, error) {
	content, err := os.ReadFile("/proc/1/cgroup")
	if err != nil {
		return "", err
	}
	return groupOf(string(content)), nil
}

func groupOf(text string) string {
	group := "/"
	for _, line := range strings.Split(text, "\n") {
		parts := strings.SplitN(line, ":", 3)
		if len(parts) == 3 && (parts[1] == "memory" || parts[0] == "0" && group == "/") {
			group = parts[2]
			if parts[1] == "memory" {
				break
			}
		}
	}
	if group = strings.TrimSuffix(group, "/init.scope"); group == "" {
		return "/"
	}
	return group
}

func (n *node) startProxy(cluster map[string]string) error {
	settings := map[string]any{
		"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration",
		"mode": "iptables", "clusterCIDR": cluster["cluster-cidr"], "hostnameOverride": n.name, "oomScoreAdj": 0,
		"clientConnection": map[string]any{"kubeconfig": n.path("agent/token.kubeconfig")},
		// The machine's settings for connections are not this host's.
		"conntrack": map[string]any{"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
	}
	content, err := yaml.Marshal(settings)
	if err != nil {
		return err
	}
	path := n.path("agent/etc/kube-proxy.yaml")
	if err := writeFile(path, content, 0o600); err != nil {
		return err
	}
	return n.processes.component("kube-proxy", false, append([]string{"kube-proxy", "--config=" + path}, extra(n.configuration["kube-proxy-arg"])...)...)
}

// startNetwork waits for the node's part of the pod network, then keeps routes to those of the other nodes.
func (n *node) startNetwork(ctx context.Context, clusterNetwork string) error {
	nodes := n.client.CoreV1().Nodes()
	err := within(startLimit, "wait for the node's part of the pod network", func() error {
		own, err := nodes.Get(ctx, n.name, meta.GetOptions{})
		if err != nil {
			return err
		}
		if own.Spec.PodCIDR == "" {
			return fmt.Errorf("node %s has none yet", n.name)
		}
		return n.writeNetwork(own.Spec.PodCIDR, clusterNetwork)
	})
	if err != nil {
		return err
	}
	// Pods that run already, as after a start of the host, need the routes before anyone is told that the node is up.
	if err := within(startLimit, "set the routes to the pods of other nodes", func() error { return n.route(ctx) }); err != nil {
		return err
	}
	go func() {
		for ; ; time.Sleep(2 * time.Second) {
			if err := n.route(ctx); err != nil {
				log.Printf("level=warning msg=%q", err)
			}
		}
	}()
	return nil
}

// What leaves the pods' network has the node's address, as flannel does it; from pod to pod nothing is translated.
const networkSettings = `{
  "name": "cbr0", "cniVersion": "1.0.0",
  "plugins": [
    {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
     "ipam": {"type": "host-local", "ranges": [[{"subnet": %q}]], "routes": [{"dst": "0.0.0.0/0"}]}},
    {"type": "portmap", "capabilities": {"portMappings": true}, "snat": true}
  ]
}
`

func (n *node) writeNetwork(own, whole string) error {
	rule := []string{"-s", whole, "!", "-d", whole, "-m", "comment", "--comment", "pods leave", "-j", "MASQUERADE"}
	if exec.Command("iptables", append([]string{"-w", "-t", "nat", "-C", "POSTROUTING"}, rule...)...).Run() != nil {
		said, err := exec.Command("iptables", append([]string{"-w", "-t", "nat", "-A", "POSTROUTING"}, rule...)...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("iptables: %w: %s", err, said)
		}
	}
	return writeFile(n.path("agent/etc/cni/net.d/10-bridge.conflist"), []byte(fmt.Sprintf(networkSettings, own)), 0o644)
}

// route leads to the pods of other nodes by the address of their node: all are on one network.
func (n *node) route(ctx context.Context) error {
	all, err := n.client.CoreV1().Nodes().List(ctx, meta.ListOptions{})
	if err != nil {
		return err
	}
	for _, other := range all.Items {
		if other.Name == n.name || other.Spec.PodCIDR == "" {
			continue
		}
		for _, address := range other.Status.Addresses {
			if address.Type != "InternalIP" {
				continue
			}
			said, err := exec.Command("ip", "route", "replace", other.Spec.PodCIDR, "via", address.Address).CombinedOutput()
			if err != nil {
				return fmt.Errorf("route to the pods of %s: %w: %s", other.Name, err, said)
			}
		}
	}
	return nil
}
