package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// packImage writes the archive of an image that has one program: `pack-image ARCHIVE NAME:TAG PROGRAM [AS]`. The same program
// gives the same archive.
func packImage(arguments []string) error {
	if len(arguments) < 3 {
		return fmt.Errorf("pack-image needs an archive, a name and a program")
	}
	archive, name, program := arguments[0], arguments[1], arguments[2]
	content, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	path := "/" + filepath.Base(program)
	layer, err := pack(map[string][]byte{path[1:]: content}, path[1:])
	if err != nil {
		return err
	}
	settings, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux", "created": "2026-01-01T00:00:00Z",
		"config": map[string]any{"Entrypoint": []string{path}, "Labels": map[string]string{"homelab.stand-in": "true"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{digest(layer)}},
	})
	if err != nil {
		return err
	}
	about := strings.TrimPrefix(digest(settings), "sha256:") + ".json"
	manifest, err := json.Marshal([]map[string]any{{"Config": about, "RepoTags": []string{name}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return err
	}
	whole, err := pack(map[string][]byte{about: settings, "layer.tar": layer, "manifest.json": manifest}, "manifest.json", about, "layer.tar")
	if err != nil {
		return err
	}
	return writeFile(archive, whole, 0o644)
}

func pack(files map[string][]byte, order ...string) ([]byte, error) {
	var buffer bytes.Buffer
	writer := tar.NewWriter(&buffer)
	for _, name := range order {
		content := files[name]
		if err := writer.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))}); err != nil {
			return nil, err
		}
		if _, err := writer.Write(content); err != nil {
			return nil, err
		}
	}
	err := writer.Close()
	return buffer.Bytes(), err
}

func digest(content []byte) string {
	return fmt.Sprintf("sha256:%x", sha256.Sum256(content))
}

// importImages hands containerd the archives of the lab and those in agent/images that it did not get before.
func (n *node) importImages() error {
	var archives []string
	for _, folder := range []string{filepath.Join(support, "images"), n.path("agent/images")} {
		found, err := filepath.Glob(folder + "/*.tar")
		if err != nil {
			return err
		}
		archives = append(archives, found...)
	}
	for _, archive := range archives {
		about, err := os.Stat(archive)
		if err != nil {
			return err
		}
		stamp := fmt.Sprintf("%d %d\n", about.Size(), about.ModTime().UnixNano())
		mark := n.path("agent/containerd/imported", filepath.Base(archive))
		if had, err := os.ReadFile(mark); err == nil && string(had) == stamp {
			continue
		}
		command := exec.Command(filepath.Join(support, "bin/ctr"), "--address", containerdSocket, "--namespace", "k8s.io", "images", "import", "--snapshotter", n.snapshotter, archive)
		if said, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("import %s: %w: %s", archive, err, said)
		}
		if err := writeFile(mark, []byte(stamp), 0o644); err != nil {
			return err
		}
		log.Printf("level=info msg=\"Imported images from %s\"", archive)
	}
	return nil
}
