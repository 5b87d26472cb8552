// A registry of models with one tiny model, from which Ollama pulls as from its own: HOST:8080/library/tiny.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"
	"time"
)

const (
	manifestType = "application/vnd.docker.distribution.manifest.v2+json"
	configType   = "application/vnd.docker.container.image.v1+json"
	modelType    = "application/vnd.ollama.image.model"
)

type blob struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int    `json:"size"`
}

func main() {
	model := tinyModel()
	if len(os.Args) == 3 && os.Args[1] == "write" {
		if err := os.WriteFile(os.Args[2], model, 0o644); err != nil {
			log.Fatal(err)
		}
		return
	}
	blobs := map[string][]byte{}
	add := func(kind string, content []byte) blob {
		digest := fmt.Sprintf("sha256:%x", sha256.Sum256(content))
		blobs[digest] = content
		return blob{kind, digest, len(content)}
	}
	layer := add(modelType, model)
	config := add(configType, encoded(map[string]any{
		"model_format": "gguf", "model_family": "llama", "model_families": []string{"llama"}, "model_type": "131.1K", "file_type": "F32",
		"architecture": "amd64", "os": "linux", "rootfs": map[string]any{"type": "layers", "diff_ids": []string{layer.Digest}},
	}))
	manifest := encoded(map[string]any{"schemaVersion": 2, "mediaType": manifestType, "config": config, "layers": []blob{layer}})
	http.HandleFunc("/v2/library/tiny/", func(response http.ResponseWriter, request *http.Request) {
		what, which, _ := strings.Cut(strings.TrimPrefix(request.URL.Path, "/v2/library/tiny/"), "/")
		content, found := blobs[which]
		if what == "manifests" && which == "latest" {
			content, found = manifest, true
			response.Header().Set("Content-Type", manifestType)
		}
		log.Print(request.Method, " ", request.URL.Path, " ", found)
		if !found {
			http.NotFound(response, request)
			return
		}
		// Ollama asks where the content of a blob really is.
		response.Header().Set("Location", request.URL.Path)
		http.ServeContent(response, request, "", time.Time{}, bytes.NewReader(content))
	})
	log.Print("listening on :8080; a stand-in for a registry of models, made for the lab")
	log.Fatal(http.ListenAndServe(":8080", nil))
}

func encoded(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		log.Fatal(err)
	}
	return text
}
