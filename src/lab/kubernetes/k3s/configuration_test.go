package main

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestFilesThenVariablesThenFlags(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "config.yaml")
	files := map[string]string{
		path:                "token: one\ntls-san: [a.lan]\nnode-label:\n  - x=1\nwrite-kubeconfig-mode: \"0644\"\nhttps-listen-port: 6444\n",
		path + ".d/10.yaml": "token: two\nnode-label+: [y=2]\n",
		path + ".d/20.yaml": "tls-san: [b.lan]\n",
	}
	for file, content := range files {
		if err := writeFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	environment := []string{"K3S_CONFIG_FILE=" + path, "K3S_NODE_NAME=variable", "K3S_TOKEN="}
	all, err := readConfiguration("server", []string{"--node-name", "flag", "--tls-san=c.lan", "--disable=traefik,servicelb", "--disable", "coredns"}, environment)
	if err != nil {
		t.Fatal(err)
	}
	for name, wanted := range map[string][]string{
		"token": {"two"}, "node-name": {"flag"}, "tls-san": {"b.lan", "c.lan"}, "node-label": {"x=1", "y=2"},
		"write-kubeconfig-mode": {"0644"}, "https-listen-port": {"6444"}, "disable": {"traefik", "servicelb", "coredns"},
	} {
		if found := all.list(name); !reflect.DeepEqual(found, wanted) {
			t.Errorf("%s: %q, not %q", name, found, wanted)
		}
	}
}

func TestWhatIsUnknownIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	environment := []string{"K3S_CONFIG_FILE=" + path}
	for _, arguments := range [][]string{{"--foo"}, {"--tls-san=x"}, {"word"}, {"--token"}} {
		if _, err := readConfiguration("agent", arguments, environment); err == nil {
			t.Errorf("%q is taken", arguments)
		}
	}
	if err := os.WriteFile(path, []byte("foo: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readConfiguration("server", nil, environment); err == nil {
		t.Error("an unknown key is taken")
	}
}

func TestTokens(t *testing.T) {
	for token, wanted := range map[string][2]string{
		"K10abc::server:word": {"abc", "word"}, "K10abc::node:a:b": {"abc", "a:b"}, "word": {"", "word"}, "K10word": {"", "K10word"},
	} {
		if pin, password := splitToken(token); pin != wanted[0] || password != wanted[1] {
			t.Errorf("%s: %q %q", token, pin, password)
		}
	}
}

func TestTheControlGroupOfTheHost(t *testing.T) {
	for text, wanted := range map[string]string{
		"9:name=systemd:/a/init.scope\n4:memory:/docker/x/init.scope\n0::/y\n": "/docker/x",
		"0::/init.scope\n": "/", "0::/\n": "/", "4:memory:/docker/x\n": "/docker/x",
	} {
		if found := groupOf(text); found != wanted {
			t.Errorf("%q: %s", text, found)
		}
	}
}

func TestACertificateIsOfItsAuthorityAndKeepsItsKey(t *testing.T) {
	folder := t.TempDir()
	first, err := openAuthority(folder, "ca", "title")
	if err != nil {
		t.Fatal(err)
	}
	again, err := openAuthority(folder, "ca", "title")
	if err != nil || !again.certificate.Equal(first.certificate) {
		t.Fatal("another authority at the second start", err)
	}
	if nth("10.43.0.0/16", 10) != "10.43.0.10" {
		t.Error(nth("10.43.0.0/16", 10))
	}
}
