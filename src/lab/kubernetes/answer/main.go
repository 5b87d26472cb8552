// A server for tests: it answers each request with the name of its pod and the client's address. `answer lookup NAME` prints
// the addresses of a name, and `answer get URL` what is there.
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

func main() {
	if len(os.Args) == 3 {
		if err := ask(os.Args[1], os.Args[2]); err != nil {
			log.Fatal(err)
		}
		return
	}
	name, err := os.Hostname()
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/", func(response http.ResponseWriter, request *http.Request) {
		fmt.Fprintf(response, "%s answers %s\n", name, request.RemoteAddr)
	})
	log.Print("listening on :8080; a stand-in for a service, made for the lab")
	log.Fatal(http.ListenAndServe(":8080", nil))
}

func ask(what, of string) error {
	switch what {
	case "lookup":
		addresses, err := net.LookupHost(of)
		fmt.Println(strings.Join(addresses, "\n"))
		return err
	case "get":
		client := http.Client{Timeout: 5 * time.Second}
		response, err := client.Get(of)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		_, err = io.Copy(os.Stdout, response.Body)
		return err
	}
	return fmt.Errorf("no such command: %s", what)
}
