package main

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestRegistriesBecomeHostsAndLogins(t *testing.T) {
	path := filepath.Join(t.TempDir(), "registries.yaml")
	content := `
mirrors:
  docker.io: {endpoint: ["https://registry.lab:5000"]}
  "*": {endpoint: ["http://a.lan/cache"]}
configs:
  registry.lab:5000: {auth: {username: lab, password: "a\"b"}, tls: {ca_file: /ca.crt, cert_file: /c.crt, key_file: /c.key}}
  docker.io: {tls: {insecure_skip_verify: true}}
`
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := readRegistries(path)
	if err != nil {
		t.Fatal(err)
	}
	found, err := all.hostFiles()
	if err != nil {
		t.Fatal(err)
	}
	pull := "  capabilities = [\"pull\", \"resolve\"]\n"
	private := "[host.\"https://registry.lab:5000\"]\n" + pull + "  ca = [\"/ca.crt\"]\n  client = [[\"/c.crt\", \"/c.key\"]]\n"
	wanted := map[string]string{
		"docker.io/hosts.toml":         "server = \"https://registry-1.docker.io\"\n" + private + "[host.\"https://registry-1.docker.io\"]\n" + pull + "  skip_verify = true\n",
		"registry.lab:5000/hosts.toml": "server = \"https://registry.lab:5000\"\n" + private,
		"_default/hosts.toml":          "[host.\"http://a.lan/cache\"]\n" + pull + "  override_path = true\n",
	}
	if !reflect.DeepEqual(found, wanted) {
		t.Errorf("%q, not %q", found, wanted)
	}
	login := "[plugins.\"io.containerd.grpc.v1.cri\".registry.configs.\"registry.lab:5000\".auth]\n  username = \"lab\"\n  password = \"a\\\"b\"\n"
	if all.logins() != login {
		t.Errorf("%q, not %q", all.logins(), login)
	}
}

func TestWhatIsNoRegistryIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "registries.yaml")
	if all, err := readRegistries(path); err != nil || len(all.Mirrors) > 0 {
		t.Errorf("without a file: %v, %v", all, err)
	}
	for _, content := range []string{"mirror: {}", "mirrors: []", "mirrors: {docker.io: {endpoint: [a], rewrite: {a: b}}}"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readRegistries(path); err == nil {
			t.Errorf("%s is read", content)
		}
	}
}
