// A stand-in for k3s: one program with the components of Kubernetes and etcd, which starts them as k3s would, with its files,
// flags and tokens. It is made for throw-away lab hosts; containerd, runc and the network plugins come with the host.
package main

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"k8s.io/component-base/version"
)

const (
	standIn = "stand-in: built by homelab's lab from the components of Kubernetes; not k3s"
	// Where the lab keeps what it copied into the host.
	support           = "/usr/local/lib/homelab-lab-kubernetes"
	defaultKubeconfig = "/etc/rancher/k3s/k3s.yaml"
	containerdSocket  = "/run/k3s/containerd/containerd.sock"
)

func main() {
	log.SetFlags(0)
	arguments := os.Args
	// As a link named after one of its programs, it is that program.
	name := filepath.Base(arguments[0])
	if !isProgram(name) && len(arguments) > 1 {
		name, arguments = arguments[1], arguments[1:]
	}
	os.Args = append([]string{name}, arguments[1:]...)
	if component, found := components[name]; found {
		os.Exit(component())
	}
	if err := run(name, arguments[1:]); err != nil {
		log.Fatalf("level=fatal msg=%q", err)
	}
}

func isProgram(name string) bool {
	_, isComponent := components[name]
	return isComponent || name == "ctr" || name == "crictl"
}

func run(name string, arguments []string) error {
	switch name {
	case "server", "agent":
		configuration, err := readConfiguration(name, arguments, os.Environ())
		if err != nil {
			return err
		}
		return start(name == "server", configuration)
	case "ctr":
		return ctr(arguments)
	case "crictl":
		return crictl(arguments)
	case "pack-image":
		return packImage(arguments)
	case "--version", "-v":
		fmt.Printf("k3s version %s (%s)\ngo version %s\n", version.Get().GitVersion, standIn, runtime.Version())
		return nil
	}
	return fmt.Errorf("no such command: %s; there are server, agent, kubectl, crictl, ctr", name)
}

// ctr becomes containerd's own command, with the address and the namespace that Kubernetes uses.
func ctr(arguments []string) error {
	program := filepath.Join(support, "bin/ctr")
	all := append([]string{"ctr", "--address", containerdSocket, "--namespace", "k8s.io"}, arguments...)
	return fmt.Errorf("start %s: %w", program, syscall.Exec(program, all, os.Environ()))
}
