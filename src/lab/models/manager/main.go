// A stand-in for the Model Manager: the part of its interface that deploys and health checks use. It keeps what was used how often in the
// ConfigMap model-usage-stats, by its ServiceAccount, as the real one does.
package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"time"
)

// usage is what is kept of a model.
type usage struct {
	Pulls    int    `json:"pull_count"`
	Requests int    `json:"request_count"`
	Errors   int    `json:"error_count"`
	LastUsed string `json:"last_used,omitempty"`
}

type server struct {
	ollama  string
	cluster *cluster
	report  json.RawMessage
}

var client = http.Client{Timeout: 4 * time.Minute}

func main() {
	one, err := start()
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("GET /api/health", one.health)
	http.HandleFunc("GET /api/ollama/models", one.models)
	http.HandleFunc("POST /api/ollama/pull", one.used(func(of *usage) { of.Pulls++ }, "/api/pull"))
	http.HandleFunc("POST /api/ollama/generate", one.used(func(of *usage) { of.Requests++ }, "/api/generate"))
	http.HandleFunc("GET /api/usage", one.usage)
	http.HandleFunc("GET /api/nodes", one.nodes)
	http.HandleFunc("POST /api/health/report", one.takeReport)
	http.HandleFunc("GET /api/health/report", func(response http.ResponseWriter, _ *http.Request) { answer(response, 200, one.report) })
	log.Print("listening on :8080; a stand-in for the Model Manager, made for the lab")
	log.Fatal(http.ListenAndServe(":8080", nil))
}

func start() (*server, error) {
	ollama := os.Getenv("OLLAMA_BASE_URL")
	if ollama == "" {
		return nil, errors.New("OLLAMA_BASE_URL is not set")
	}
	cluster, err := ownCluster(os.Getenv("KUBERNETES_NAMESPACE"))
	return &server{ollama, cluster, json.RawMessage("null")}, err
}

func (s *server) health(response http.ResponseWriter, _ *http.Request) {
	answer(response, 200, map[string]string{"status": "healthy"})
}

// models are those of which something is kept, and whether Ollama has them.
func (s *server) models(response http.ResponseWriter, _ *http.Request) {
	there, err := s.tags()
	if err != nil {
		failed(response, 502, err)
		return
	}
	kept, _, err := s.cluster.read()
	if err != nil {
		failed(response, 500, err)
		return
	}
	type model struct {
		Name      string `json:"name"`
		Available bool   `json:"available"`
		usage
	}
	all := []model{}
	for name, of := range kept {
		all = append(all, model{name, there[name], of})
		delete(there, name)
	}
	for name := range there {
		all = append(all, model{Name: name, Available: true})
	}
	answer(response, 200, map[string]any{"models": all})
}

func (s *server) tags() (map[string]bool, error) {
	response, err := client.Get(s.ollama + "/api/tags")
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var found struct {
		Models []struct {
			Name string `json:"name"`
		} `json:"models"`
	}
	if err := json.NewDecoder(response.Body).Decode(&found); err != nil {
		return nil, err
	}
	there := map[string]bool{}
	for _, one := range found.Models {
		there[one.Name] = true
	}
	return there, nil
}

// used hands a request to Ollama and keeps that its model was used.
func (s *server) used(count func(*usage), path string) http.HandlerFunc {
	return func(response http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(response, request.Body, 1<<20))
		if err != nil {
			failed(response, 400, err)
			return
		}
		var asked struct {
			Name  string `json:"name"`
			Model string `json:"model"`
		}
		if err := json.Unmarshal(body, &asked); err != nil {
			failed(response, 400, err)
			return
		}
		status, said, err := s.ask(path, body)
		if err != nil {
			failed(response, 502, err)
			return
		}
		err = s.cluster.change(func(all map[string]usage) {
			name := cmp.Or(asked.Model, asked.Name)
			of := all[name]
			if count(&of); status != 200 {
				of.Errors++
			}
			of.LastUsed = time.Now().UTC().Format(time.RFC3339)
			all[name] = of
		})
		if err != nil {
			failed(response, 500, err)
			return
		}
		answer(response, status, json.RawMessage(said))
	}
}

func (s *server) ask(path string, body []byte) (int, []byte, error) {
	response, err := client.Post(s.ollama+path, "application/json", bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	return response.StatusCode, said, err
}

func (s *server) usage(response http.ResponseWriter, _ *http.Request) {
	kept, _, err := s.cluster.read()
	if err != nil {
		failed(response, 500, err)
		return
	}
	answer(response, 200, kept)
}

func (s *server) nodes(response http.ResponseWriter, _ *http.Request) {
	names, err := s.cluster.nodes()
	if err != nil {
		failed(response, 500, err)
		return
	}
	answer(response, 200, names)
}

func (s *server) takeReport(response http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(response, request.Body, 1<<16))
	if err != nil || !json.Valid(body) {
		failed(response, 400, errors.New("a report is JSON"))
		return
	}
	log.Printf("report: %s", body)
	s.report = body
	answer(response, 200, map[string]string{"status": "taken"})
}

func answer(response http.ResponseWriter, status int, value any) {
	response.Header().Set("Content-Type", "application/json")
	response.WriteHeader(status)
	if err := json.NewEncoder(response).Encode(value); err != nil {
		log.Print(err)
	}
}

func failed(response http.ResponseWriter, status int, err error) {
	log.Print(err)
	answer(response, status, map[string]string{"error": fmt.Sprint(err)})
}
