package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/csv"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	certificates "k8s.io/api/certificates/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"
)

const (
	// The group of those who have a token: they may join, and read what a node needs.
	joining = "lab:joining"
	// The ConfigMap with what a node has to know of its cluster.
	clusterSettings = "lab-cluster"
	poll            = 2 * time.Second
)

// What k3s would add and the lab does not have: naming it is no mistake.
var absent = []string{"traefik", "servicelb", "metrics-server"}

// What it has and can leave out.
var optional = []string{"coredns", "local-storage"}

// server is the control plane: etcd, API server, controller manager and scheduler.
type server struct {
	*node
	port      string
	authority *authority
	clients   *authority
	admin     *kubernetes.Clientset
}

func newServer(n *node) (*server, error) {
	for _, name := range n.configuration.list("disable") {
		if !slices.Contains(optional, name) && !slices.Contains(absent, name) {
			return nil, fmt.Errorf("--disable: no such component: %s", name)
		}
	}
	s := &server{node: n, port: n.configuration.get("https-listen-port", "6443")}
	n.server = "https://127.0.0.1:" + s.port
	if err := s.certify(); err != nil {
		return nil, err
	}
	return s, s.writeTokens()
}

func (s *server) tls(name string) string { return s.path("server/tls", name) }

func (s *server) certify() error {
	var err error
	folder := s.path("server/tls")
	if s.authority, err = openAuthority(folder, "server-ca", "k3s-server-ca"); err != nil {
		return err
	}
	if s.clients, err = openAuthority(folder, "client-ca", "k3s-client-ca"); err != nil {
		return err
	}
	front, err := openAuthority(folder, "request-header-ca", "k3s-request-header-ca")
	if err != nil {
		return err
	}
	if _, err := openKey(s.tls("service.key")); err != nil {
		return err
	}
	first, err := firstAddress(s.services())
	if err != nil {
		return err
	}
	names := append([]string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc." + s.domain(),
		"localhost", "127.0.0.1", "::1", first, s.name, s.address}, s.configuration.list("tls-san")...)
	if err := s.authority.issue("serving-kube-apiserver", pkix.Name{CommonName: "kube-apiserver"}, x509.ExtKeyUsageServerAuth, names); err != nil {
		return err
	}
	client := x509.ExtKeyUsageClientAuth
	if err := front.issue("client-auth-proxy", pkix.Name{CommonName: "system:auth-proxy"}, client, nil); err != nil {
		return err
	}
	for name, subject := range map[string]pkix.Name{
		"client-admin":          {CommonName: "system:admin", Organization: []string{"system:masters"}},
		"client-controller":     {CommonName: "system:kube-controller-manager"},
		"client-scheduler":      {CommonName: "system:kube-scheduler"},
		"client-kube-apiserver": {CommonName: "kube-apiserver", Organization: []string{"system:masters"}},
	} {
		if err := s.clients.issue(name, subject, client, nil); err != nil {
			return err
		}
	}
	s.node.authority, err = os.ReadFile(s.tls("server-ca.crt"))
	if err != nil {
		return err
	}
	return s.writeKubeconfigs()
}

func (s *server) services() string { return s.configuration.get("service-cidr", "10.43.0.0/16") }
func (s *server) pods() string     { return s.configuration.get("cluster-cidr", "10.42.0.0/16") }
func (s *server) domain() string   { return s.configuration.get("cluster-domain", "cluster.local") }
func (s *server) names() string    { return s.configuration.get("cluster-dns", nth(s.services(), 10)) }

func firstAddress(network string) (string, error) {
	if _, _, err := net.ParseCIDR(network); err != nil {
		return "", err
	}
	return nth(network, 1), nil
}

// nth is an address of a network, counted from its start.
func nth(network string, count byte) string {
	start, _, err := net.ParseCIDR(network)
	if err != nil || start.To4() == nil {
		return ""
	}
	address := start.To4()
	address[3] += count
	return address.String()
}

func (s *server) writeKubeconfigs() error {
	for _, name := range []string{"admin", "controller", "scheduler"} {
		certificate, err := os.ReadFile(s.tls("client-" + name + ".crt"))
		if err != nil {
			return err
		}
		key, err := os.ReadFile(s.tls("client-" + name + ".key"))
		if err != nil {
			return err
		}
		content, err := yaml.Marshal(kubeconfig(s.node.server, s.node.authority, map[string]any{
			"client-certificate-data": certificate, "client-key-data": key,
		}))
		if err != nil {
			return err
		}
		if err := writeFile(s.path("server/cred", name+".kubeconfig"), content, 0o600); err != nil {
			return err
		}
		if name != "admin" {
			continue
		}
		mode, err := strconv.ParseUint(s.configuration.get("write-kubeconfig-mode", "600"), 8, 32)
		if err != nil {
			return fmt.Errorf("--write-kubeconfig-mode: %w", err)
		}
		if err := writeFile(s.configuration.get("write-kubeconfig", defaultKubeconfig), content, os.FileMode(mode)); err != nil {
			return err
		}
	}
	return nil
}

// writeTokens makes the tokens of a new cluster, or compares those of an old one.
func (s *server) writeTokens() error {
	pin := "K10" + fingerprint(s.node.authority)
	password, err := s.oldOrNew("token", s.path("server/token"), "")
	if err != nil {
		return err
	}
	agent, err := s.oldOrNew("agent-token", s.path("server/agent-token"), password)
	if err != nil {
		return err
	}
	full := []byte(pin + "::server:" + password + "\n")
	if err := writeFile(s.path("server/token"), full, 0o600); err != nil {
		return err
	}
	if err := os.Remove(s.path("server/node-token")); err != nil && !os.IsNotExist(err) {
		return err
	}
	target := s.path("server/token")
	if agent != password {
		target = s.path("server/agent-token")
		if err := writeFile(target, []byte(pin+"::node:"+agent+"\n"), 0o600); err != nil {
			return err
		}
	}
	if err := os.Symlink(target, s.path("server/node-token")); err != nil {
		return err
	}
	var table bytes.Buffer
	lines := [][]string{{password, "lab-joining", "lab-joining", joining}}
	if agent != password {
		lines = append(lines, []string{agent, "lab-joining-agent", "lab-joining-agent", joining})
	}
	if err := csv.NewWriter(&table).WriteAll(lines); err != nil {
		return err
	}
	s.node.password = agent
	return writeFile(s.path("server/cred/tokens.csv"), table.Bytes(), 0o600)
}

// oldOrNew is the password of a token: as configured, as it was, or the fallback, or a new one.
func (s *server) oldOrNew(name, path, fallback string) (string, error) {
	wanted, err := s.configuration.secret(name)
	if err != nil {
		return "", err
	}
	_, wanted = splitToken(wanted)
	had := ""
	if content, err := os.ReadFile(path); err == nil {
		_, had = splitToken(string(bytes.TrimSpace(content)))
	}
	switch {
	case had != "" && wanted != "" && had != wanted && name == "token":
		return "", fmt.Errorf("bootstrap data already found and encrypted with different token")
	case wanted != "":
		return wanted, nil
	case had != "":
		return had, nil
	case fallback != "":
		return fallback, nil
	}
	return random()
}

func (s *server) start() error {
	folder := s.path("server/db/etcd")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	client, peer := "http://127.0.0.1:2379", "http://127.0.0.1:2380"
	err := s.processes.component("etcd", true, append([]string{"etcd", "--name=default", "--data-dir=" + folder, "--unsafe-no-fsync",
		"--listen-client-urls=" + client, "--advertise-client-urls=" + client, "--listen-peer-urls=" + peer,
		"--initial-advertise-peer-urls=" + peer, "--initial-cluster=default=" + peer, "--log-level=warn"},
		extra(s.configuration["etcd-arg"])...)...)
	if err != nil {
		return err
	}
	if err := s.startAPI(client); err != nil {
		return err
	}
	access, err := clientcmd.BuildConfigFromFlags("", s.path("server/cred/admin.kubeconfig"))
	if err != nil {
		return err
	}
	access.QPS, access.Burst = 100, 200
	if s.admin, err = kubernetes.NewForConfig(access); err != nil {
		return err
	}
	ready := func() error {
		return s.admin.Discovery().RESTClient().Get().AbsPath("/readyz").Do(context.Background()).Error()
	}
	if err := within(startLimit, "wait for the API server", ready); err != nil {
		return err
	}
	if err := s.startControllers(); err != nil {
		return err
	}
	if err := s.writeManifests(); err != nil {
		return err
	}
	go s.approve()
	go s.provision()
	go s.applyManifests()
	return nil
}

func (s *server) startAPI(etcd string) error {
	arguments := []string{"kube-apiserver", "--etcd-servers=" + etcd,
		"--bind-address=" + s.configuration.get("bind-address", "0.0.0.0"),
		"--advertise-address=" + s.configuration.get("advertise-address", s.address), "--secure-port=" + s.port,
		"--tls-cert-file=" + s.tls("serving-kube-apiserver.crt"), "--tls-private-key-file=" + s.tls("serving-kube-apiserver.key"),
		"--client-ca-file=" + s.tls("client-ca.crt"), "--token-auth-file=" + s.path("server/cred/tokens.csv"),
		"--service-account-key-file=" + s.tls("service.key"), "--service-account-signing-key-file=" + s.tls("service.key"),
		"--service-account-issuer=https://kubernetes.default.svc." + s.domain(),
		"--service-cluster-ip-range=" + s.services(), "--authorization-mode=Node,RBAC", "--allow-privileged=true",
		"--kubelet-client-certificate=" + s.tls("client-kube-apiserver.crt"), "--kubelet-client-key=" + s.tls("client-kube-apiserver.key"),
		"--kubelet-certificate-authority=" + s.tls("server-ca.crt"), "--kubelet-preferred-address-types=InternalIP",
		"--enable-admission-plugins=NodeRestriction", "--enable-aggregator-routing=true",
		"--requestheader-client-ca-file=" + s.tls("request-header-ca.crt"), "--requestheader-allowed-names=system:auth-proxy",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-", "--requestheader-group-headers=X-Remote-Group",
		"--requestheader-username-headers=X-Remote-User", "--proxy-client-cert-file=" + s.tls("client-auth-proxy.crt"),
		"--proxy-client-key-file=" + s.tls("client-auth-proxy.key")}
	return s.processes.component("kube-apiserver", false, append(arguments, extra(s.configuration["kube-apiserver-arg"])...)...)
}

func (s *server) startControllers() error {
	arguments := []string{"kube-controller-manager", "--kubeconfig=" + s.path("server/cred/controller.kubeconfig"),
		"--secure-port=0", "--leader-elect=false", "--root-ca-file=" + s.tls("server-ca.crt"),
		"--service-account-private-key-file=" + s.tls("service.key"), "--use-service-account-credentials=true",
		"--flex-volume-plugin-dir=" + s.path("agent/kubelet-plugins"), "--kube-api-qps=300", "--kube-api-burst=500",
		"--allocate-node-cidrs=true", "--cluster-cidr=" + s.pods(), "--service-cluster-ip-range=" + s.services()}
	for signer, with := range map[string]string{"kube-apiserver-client": "client-ca", "kubelet-client": "client-ca", "kubelet-serving": "server-ca"} {
		arguments = append(arguments, "--cluster-signing-"+signer+"-cert-file="+s.tls(with+".crt"), "--cluster-signing-"+signer+"-key-file="+s.tls(with+".key"))
	}
	arguments = append(arguments, extra(s.configuration["kube-controller-manager-arg"])...)
	if err := s.processes.component("kube-controller-manager", false, arguments...); err != nil {
		return err
	}
	return s.processes.component("kube-scheduler", false, append([]string{"kube-scheduler", "--secure-port=0", "--leader-elect=false",
		"--kubeconfig=" + s.path("server/cred/scheduler.kubeconfig")}, extra(s.configuration["kube-scheduler-arg"])...)...)
}

// label waits for the server's own node, and says what it is.
func (s *server) label() error {
	patch := []byte(`{"metadata":{"labels":{"node-role.kubernetes.io/control-plane":"true"}}}`)
	return within(startLimit, "wait for the node", func() error {
		_, err := s.admin.CoreV1().Nodes().Patch(context.Background(), s.name, types.MergePatchType, patch, meta.PatchOptions{})
		return err
	})
}

// approve lets nodes have the certificate that they serve with. Nothing else approves those.
func (s *server) approve() {
	ctx := context.Background()
	requests := s.admin.CertificatesV1().CertificateSigningRequests()
	for ; ; time.Sleep(poll / 4) {
		all, err := requests.List(ctx, meta.ListOptions{FieldSelector: "spec.signerName=" + certificates.KubeletServingSignerName})
		if err != nil {
			log.Printf("level=warning msg=%q", err)
			continue
		}
		for _, one := range all.Items {
			// Admission has seen to it that a node asks for itself only.
			if len(one.Status.Conditions) > 0 || !slices.Contains(one.Spec.Groups, "system:nodes") {
				continue
			}
			one.Status.Conditions = append(one.Status.Conditions, certificates.CertificateSigningRequestCondition{
				Type: certificates.CertificateApproved, Status: core.ConditionTrue, Reason: "LabApproved", Message: "a node of the lab",
			})
			if _, err := requests.UpdateApproval(ctx, one.Name, &one, meta.UpdateOptions{}); err != nil {
				log.Printf("level=warning msg=%q", err)
			}
		}
	}
}

// applyManifests applies each file of server/manifests when it changed.
func (s *server) applyManifests() {
	applied := map[string]time.Time{}
	for ; ; time.Sleep(poll) {
		files, err := filepath.Glob(s.path("server/manifests/*.yaml"))
		if err != nil {
			log.Printf("level=warning msg=%q", err)
			continue
		}
		for _, file := range files {
			about, err := os.Stat(file)
			if err != nil || applied[file].Equal(about.ModTime()) {
				continue
			}
			if err := s.kubectl("apply", "--server-side", "--force-conflicts", "--field-manager=deploy@"+s.name, "-f", file); err != nil {
				log.Printf("level=warning msg=%q", fmt.Sprintf("apply %s: %s", baseName(file), err))
				continue
			}
			applied[file] = about.ModTime()
			log.Printf("level=info msg=\"Applied manifest %s\"", file)
		}
	}
}

func (s *server) kubectl(arguments ...string) error {
	own, err := os.Executable()
	if err != nil {
		return err
	}
	command := exec.Command(own, append([]string{"kubectl", "--kubeconfig", s.path("server/cred/admin.kubeconfig")}, arguments...)...)
	if said, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, said)
	}
	return nil
}
