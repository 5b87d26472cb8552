package main

import (
	_ "embed"
	"os"
	"slices"
	"strings"
)

//go:embed joining.yaml
var joiningManifest string

//go:embed coredns.yaml
var namesManifest string

//go:embed local-storage.yaml
var storageManifest string

// writeManifests writes what each cluster has. As in k3s, `disable` removes what an earlier start made.
func (s *server) writeManifests() error {
	fill := strings.NewReplacer("%SETTINGS%", clusterSettings, "%GROUP%", joining, "%PODS%", s.pods(), "%NAMES%", s.names(), "%DOMAIN%", s.domain())
	// What nodes need is there before the first of them asks.
	path := s.path("server/manifests/lab-joining.yaml")
	if err := writeIfOther(path, []byte(fill.Replace(joiningManifest))); err != nil {
		return err
	}
	if err := within(startLimit, "apply what nodes need", func() error {
		return s.kubectl("apply", "--server-side", "--force-conflicts", "--field-manager=deploy@"+s.name, "-f", path)
	}); err != nil {
		return err
	}
	for component, content := range map[string]string{"coredns": namesManifest, "local-storage": storageManifest} {
		if err := s.writeOrRemove(component, []byte(fill.Replace(content))); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) writeOrRemove(component string, content []byte) error {
	path := s.path("server/manifests", component+".yaml")
	if !slices.Contains(s.configuration.list("disable"), component) {
		return writeIfOther(path, content)
	}
	if _, err := os.Stat(path); err != nil {
		return nil
	}
	if err := s.kubectl("delete", "--ignore-not-found", "-f", path); err != nil {
		return err
	}
	return os.Remove(path)
}

func writeIfOther(path string, content []byte) error {
	if had, err := os.ReadFile(path); err == nil && string(had) == string(content) {
		return nil
	}
	return writeFile(path, content, 0o600)
}
