package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"sigs.k8s.io/yaml"
)

// registries is what registries.yaml says, by the keys of k3s.
type registries struct {
	Mirrors map[string]mirror   `json:"mirrors"`
	Configs map[string]registry `json:"configs"`
}

type mirror struct {
	Endpoints []string          `json:"endpoint"`
	Rewrites  map[string]string `json:"rewrite"`
}

type registry struct {
	Auth *login `json:"auth"`
	TLS  *trust `json:"tls"`
}

type login struct {
	Username      string `json:"username"`
	Password      string `json:"password"`
	Auth          string `json:"auth"`
	IdentityToken string `json:"identity_token"`
}

type trust struct {
	Authority   string `json:"ca_file"`
	Certificate string `json:"cert_file"`
	Key         string `json:"key_file"`
	IsSkipped   bool   `json:"insecure_skip_verify"`
}

// What images of these names are asked of.
var servers = map[string]string{"docker.io": "registry-1.docker.io"}

// readRegistries reads the file; without one, there is nothing to say.
func readRegistries(path string) (registries, error) {
	var all registries
	content, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return all, nil
	}
	if err != nil {
		return all, err
	}
	if err := yaml.UnmarshalStrict(content, &all); err != nil {
		return all, fmt.Errorf("%s: %w", path, err)
	}
	for name, one := range all.Mirrors {
		if len(one.Rewrites) > 0 {
			return all, fmt.Errorf("%s: mirrors: %s: the stand-in does not rewrite names", path, name)
		}
	}
	return all, nil
}

// hostFiles are the files below containerd's folder of registries, by their paths there.
func (r registries) hostFiles() (map[string]string, error) {
	names := map[string]bool{}
	for name := range r.Mirrors {
		names[name] = true
	}
	for name := range r.Configs {
		names[name] = true
	}
	files := map[string]string{}
	for name := range names {
		var text strings.Builder
		folder, endpoints := name, r.Mirrors[name].Endpoints
		if name == "*" {
			folder = "_default"
		} else {
			server := name
			if other := servers[name]; other != "" {
				server = other
			}
			fmt.Fprintf(&text, "server = %s\n", quote("https://"+server))
			// Its own settings count when no mirror has the image.
			endpoints = append(append([]string{}, endpoints...), "https://"+server)
		}
		seen := map[string]bool{}
		for _, endpoint := range endpoints {
			if !strings.Contains(endpoint, "://") {
				endpoint = "https://" + endpoint
			}
			address, err := url.Parse(endpoint)
			if err != nil {
				return nil, fmt.Errorf("mirrors: %s: %w", name, err)
			}
			if seen[endpoint] {
				continue
			}
			seen[endpoint] = true
			r.writeHost(&text, endpoint, address)
		}
		files[filepath.Join(folder, "hosts.toml")] = text.String()
	}
	return files, nil
}

func (r registries) writeHost(text *strings.Builder, endpoint string, address *url.URL) {
	fmt.Fprintf(text, "[host.%s]\n  capabilities = [\"pull\", \"resolve\"]\n", quote(endpoint))
	if strings.Trim(address.Path, "/") != "" {
		text.WriteString("  override_path = true\n")
	}
	about := r.about(address.Host).TLS
	if about == nil {
		return
	}
	if about.IsSkipped {
		text.WriteString("  skip_verify = true\n")
	}
	if about.Authority != "" {
		fmt.Fprintf(text, "  ca = [%s]\n", quote(about.Authority))
	}
	if about.Certificate != "" {
		fmt.Fprintf(text, "  client = [[%s, %s]]\n", quote(about.Certificate), quote(about.Key))
	}
}

// about is what is configured for a server, also by the name that its images have.
func (r registries) about(server string) registry {
	if one, found := r.Configs[server]; found {
		return one
	}
	for name, other := range servers {
		if other == server {
			return r.Configs[name]
		}
	}
	return registry{}
}

// logins are sections of containerd's settings.
func (r registries) logins() string {
	var names []string
	for name, one := range r.Configs {
		if one.Auth != nil {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	var text strings.Builder
	for _, name := range names {
		server, auth := name, r.Configs[name].Auth
		if other := servers[name]; other != "" {
			server = other
		}
		fmt.Fprintf(&text, "[plugins.\"io.containerd.grpc.v1.cri\".registry.configs.%s.auth]\n", quote(server))
		for _, pair := range [][2]string{{"username", auth.Username}, {"password", auth.Password}, {"auth", auth.Auth}, {"identitytoken", auth.IdentityToken}} {
			if pair[1] != "" {
				fmt.Fprintf(&text, "  %s = %s\n", pair[0], quote(pair[1]))
			}
		}
	}
	return text.String()
}

// writeRegistries tells containerd of mirrors, and returns the logins for its settings.
func (n *node) writeRegistries() (string, error) {
	all, err := readRegistries(n.configuration.get("private-registry", "/etc/rancher/k3s/registries.yaml"))
	if err != nil {
		return "", err
	}
	files, err := all.hostFiles()
	if err != nil {
		return "", err
	}
	if err := os.RemoveAll(n.registries()); err != nil {
		return "", err
	}
	for path, content := range files {
		if err := writeFile(filepath.Join(n.registries(), path), []byte(content), 0o600); err != nil {
			return "", err
		}
	}
	return all.logins(), nil
}

func (n *node) registries() string { return n.path("agent/etc/containerd/certs.d") }

// quote writes a text of JSON, which TOML reads too.
func quote(text string) string {
	content, err := json.Marshal(text)
	if err != nil {
		return `""`
	}
	return string(content)
}
