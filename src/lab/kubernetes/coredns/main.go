// The name server of a cluster: CoreDNS with the plugins that a cluster uses.
package main

import (
	"log"
	"os"

	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/hosts"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/loop"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/reload"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
)

func main() {
	// The order in which plugins see a question.
	dnsserver.Directives = []string{"reload", "errors", "ready", "health", "cache", "loadbalance", "loop", "hosts", "kubernetes", "forward"}
	path := "/etc/coredns/Corefile"
	if len(os.Args) > 1 {
		path = os.Args[1]
	}
	text, err := os.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	caddy.AppName, caddy.AppVersion = "CoreDNS", "1.12.4"
	instance, err := caddy.Start(caddy.CaddyfileInput{Filepath: path, Contents: text, ServerTypeName: "dns"})
	if err != nil {
		log.Fatal(err)
	}
	log.Print("serving names; built for the lab, a stand-in for k3s's CoreDNS")
	instance.Wait()
}
