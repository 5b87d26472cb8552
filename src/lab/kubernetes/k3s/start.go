package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// How long the parts of a cluster may take to answer.
const startLimit = 2 * time.Minute

// start runs a server with its node, or a node alone, until it is told to end or one of its processes ends.
func start(isServer bool, configuration configuration) error {
	log.Printf("level=warning msg=%q", standIn)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	all := newProcesses()
	defer all.stop()
	began := make(chan error, 1)
	go func() { began <- begin(isServer, configuration, all) }()
	for {
		select {
		case err := <-began:
			if err != nil {
				return err
			}
			began = nil
			notify("READY=1")
			log.Printf("level=info msg=\"k3s is up and running\"")
		case err := <-all.ended:
			return err
		case one := <-signals:
			log.Printf("level=info msg=\"Stopping: %s\"", one)
			return nil
		}
	}
}

func begin(isServer bool, configuration configuration, all *processes) error {
	node, err := newNode(configuration, all)
	if err != nil {
		return err
	}
	if !isServer {
		return node.join()
	}
	server, err := newServer(node)
	if err != nil {
		return err
	}
	containers := make(chan error, 1)
	go func() { containers <- node.startContainers() }()
	if err := server.start(); err != nil {
		return err
	}
	if err := <-containers; err != nil {
		return err
	}
	if err := node.start(); err != nil {
		return err
	}
	return server.label()
}

// notify tells systemd something.
func notify(state string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	if strings.HasPrefix(path, "@") {
		path = "\x00" + path[1:]
	}
	connection, err := net.Dial("unixgram", path)
	if err != nil {
		log.Printf("level=warning msg=%q", err)
		return
	}
	defer connection.Close()
	if _, err := connection.Write([]byte(state)); err != nil {
		log.Printf("level=warning msg=%q", err)
	}
}

// final is a failure that trying again does not change.
type final struct{ error }

// within tries until it works.
func within(limit time.Duration, what string, try func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := try()
		if err == nil {
			return nil
		}
		if errors.As(err, &final{}) {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: not within %s: %w", what, limit, err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func random() (string, error) {
	bytes := make([]byte, 16)
	_, err := rand.Read(bytes)
	return hex.EncodeToString(bytes), err
}

// ownAddress is where the host is reached: the address of the interface that leads elsewhere.
func ownAddress() (string, error) {
	// Nothing is sent.
	connection, err := net.Dial("udp4", "192.0.2.1:9")
	if err != nil {
		return "", err
	}
	defer connection.Close()
	return connection.LocalAddr().(*net.UDPAddr).IP.String(), nil
}

// kubeconfig is a file to reach the server with. It has either a certificate or a token.
func kubeconfig(server string, authority []byte, user map[string]any) map[string]any {
	return map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": "default",
		"clusters": []any{map[string]any{"name": "default", "cluster": map[string]any{"server": server, "certificate-authority-data": authority}}},
		"users":    []any{map[string]any{"name": "default", "user": user}},
		"contexts": []any{map[string]any{"name": "default", "context": map[string]any{"cluster": "default", "user": "default"}}},
	}
}

func baseName(path string) string { return strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)) }
