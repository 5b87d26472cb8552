package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

const (
	account  = "/var/run/secrets/kubernetes.io/serviceaccount"
	settings = "model-usage-stats"
	key      = "usage_data"
	// Another client may write at the same time.
	attempts = 5
)

var errConflict = errors.New("somebody else changed " + settings)

// cluster is the API server, as the ServiceAccount of the pod.
type cluster struct {
	namespace string
	client    http.Client
}

func ownCluster(namespace string) (*cluster, error) {
	if namespace == "" {
		return nil, errors.New("KUBERNETES_NAMESPACE is not set")
	}
	authority, err := os.ReadFile(account + "/ca.crt")
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authority) {
		return nil, errors.New("no certificate in " + account + "/ca.crt")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	return &cluster{namespace, http.Client{Transport: transport, Timeout: 10 * time.Second}}, nil
}

func (c *cluster) ask(method, path string, body []byte, into any) error {
	// It is replaced while the pod runs.
	token, err := os.ReadFile(account + "/token")
	if err != nil {
		return err
	}
	request, err := http.NewRequest(method, "https://kubernetes.default.svc"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+string(token))
	request.Header.Set("Content-Type", "application/merge-patch+json")
	response, err := c.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return err
	case response.StatusCode == http.StatusConflict:
		return errConflict
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, said)
	}
	return json.Unmarshal(said, into)
}

type configMap struct {
	Metadata struct {
		ResourceVersion string `json:"resourceVersion"`
	} `json:"metadata"`
	Data map[string]string `json:"data"`
}

func (c *cluster) path() string {
	return "/api/v1/namespaces/" + c.namespace + "/configmaps/" + settings
}

// read is what is kept of all models, and the version of the ConfigMap.
func (c *cluster) read() (map[string]usage, string, error) {
	var found configMap
	if err := c.ask(http.MethodGet, c.path(), nil, &found); err != nil {
		return nil, "", err
	}
	all := map[string]usage{}
	if text := found.Data[key]; text != "" {
		if err := json.Unmarshal([]byte(text), &all); err != nil {
			return nil, "", fmt.Errorf("%s of %s: %w", key, settings, err)
		}
	}
	return all, found.Metadata.ResourceVersion, nil
}

// change has what is kept changed, and reads it again if another client did that at the same time.
func (c *cluster) change(how func(map[string]usage)) error {
	for range attempts {
		all, version, err := c.read()
		if err != nil {
			return err
		}
		how(all)
		text, err := json.Marshal(all)
		if err != nil {
			return err
		}
		body, err := json.Marshal(map[string]any{"metadata": map[string]string{"resourceVersion": version}, "data": map[string]string{key: string(text)}})
		if err != nil {
			return err
		}
		if err := c.ask(http.MethodPatch, c.path()+"?fieldManager=model-manager", body, &configMap{}); !errors.Is(err, errConflict) {
			return err
		}
	}
	return errConflict
}

func (c *cluster) nodes() ([]string, error) {
	var found struct {
		Items []struct {
			Metadata struct {
				Name string `json:"name"`
			} `json:"metadata"`
		} `json:"items"`
	}
	err := c.ask(http.MethodGet, "/api/v1/nodes", nil, &found)
	names := []string{}
	for _, one := range found.Items {
		names = append(names, one.Metadata.Name)
	}
	return names, err
}
