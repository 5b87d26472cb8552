package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"sigs.k8s.io/yaml"
)

type kind int

const (
	text kind = iota
	list
	truth
)

// setting is a flag, which a configuration file may have too.
type setting struct {
	kind kind
	// The commands that have it.
	commands string
	// The variable that it may come from.
	variable string
}

var settings = map[string]setting{
	"token":                       {text, "server agent", "K3S_TOKEN"},
	"token-file":                  {text, "server agent", "K3S_TOKEN_FILE"},
	"agent-token":                 {text, "server", "K3S_AGENT_TOKEN"},
	"agent-token-file":            {text, "server", "K3S_AGENT_TOKEN_FILE"},
	"server":                      {text, "agent", "K3S_URL"},
	"data-dir":                    {text, "server agent", "K3S_DATA_DIR"},
	"write-kubeconfig":            {text, "server", "K3S_KUBECONFIG_OUTPUT"},
	"write-kubeconfig-mode":       {text, "server", "K3S_KUBECONFIG_MODE"},
	"tls-san":                     {list, "server", ""},
	"bind-address":                {text, "server", ""},
	"advertise-address":           {text, "server", ""},
	"https-listen-port":           {text, "server", ""},
	"cluster-cidr":                {text, "server", ""},
	"service-cidr":                {text, "server", ""},
	"cluster-dns":                 {text, "server", ""},
	"cluster-domain":              {text, "server", ""},
	"flannel-backend":             {text, "server", ""},
	"disable":                     {list, "server", ""},
	"disable-helm-controller":     {truth, "server", ""},
	"disable-network-policy":      {truth, "server", ""},
	"kube-apiserver-arg":          {list, "server", ""},
	"kube-controller-manager-arg": {list, "server", ""},
	"kube-scheduler-arg":          {list, "server", ""},
	"etcd-arg":                    {list, "server", ""},
	"node-name":                   {text, "server agent", "K3S_NODE_NAME"},
	"node-ip":                     {text, "server agent", ""},
	"node-label":                  {list, "server agent", ""},
	"node-taint":                  {list, "server agent", ""},
	"private-registry":            {text, "server agent", ""},
	"kubelet-arg":                 {list, "server agent", ""},
	"kube-proxy-arg":              {list, "server agent", ""},
}

// configuration is what the files, the environment and the command line say together.
type configuration map[string][]string

func (c configuration) get(name, fallback string) string {
	if values := c[name]; len(values) > 0 {
		return values[len(values)-1]
	}
	return fallback
}

// list are the values of a flag that may be there several times; commas part them too.
func (c configuration) list(name string) []string {
	var all []string
	for _, value := range c[name] {
		for _, part := range strings.Split(value, ",") {
			if part = strings.TrimSpace(part); part != "" {
				all = append(all, part)
			}
		}
	}
	return all
}

// secret is a value that may be in a file instead.
func (c configuration) secret(name string) (string, error) {
	if path := c.get(name+"-file", ""); path != "" {
		content, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("read the %s: %w", name, err)
		}
		return strings.TrimSpace(string(content)), nil
	}
	return c.get(name, ""), nil
}

// readConfiguration reads the files, then the environment, then the command line. What comes later replaces a text; lists of
// the command line add up with those of the files.
func readConfiguration(command string, arguments, environment []string) (configuration, error) {
	variables := map[string]string{}
	for _, line := range environment {
		name, value, _ := strings.Cut(line, "=")
		variables[name] = value
	}
	path := "/etc/rancher/k3s/config.yaml"
	if other := variables["K3S_CONFIG_FILE"]; other != "" {
		path = other
	}
	flags, path, err := readFlags(command, arguments, path)
	if err != nil {
		return nil, err
	}
	all := configuration{}
	if err := readFiles(command, path, all); err != nil {
		return nil, err
	}
	for name, one := range settings {
		if value := variables[one.variable]; one.variable != "" && value != "" && one.has(command) {
			all[name] = []string{value}
		}
	}
	for name, values := range flags {
		if settings[name].kind == list {
			values = append(slices.Clone(all[name]), values...)
		}
		all[name] = values
	}
	return all, nil
}

func (s setting) has(command string) bool {
	return slices.Contains(strings.Fields(s.commands), command)
}

func find(command, name string) (setting, error) {
	one, found := settings[name]
	if !found || !one.has(command) {
		return one, fmt.Errorf("flag provided but not defined: -%s", name)
	}
	return one, nil
}

func readFlags(command string, arguments []string, path string) (configuration, string, error) {
	flags := configuration{}
	for len(arguments) > 0 {
		argument := arguments[0]
		arguments = arguments[1:]
		if !strings.HasPrefix(argument, "-") {
			return nil, "", fmt.Errorf("unexpected argument: %s", argument)
		}
		name, value, hasValue := strings.Cut(strings.TrimLeft(argument, "-"), "=")
		if short := map[string]string{"t": "token", "s": "server", "c": "config", "d": "data-dir"}[name]; short != "" {
			name = short
		}
		one, err := find(command, name)
		if err != nil && name != "config" {
			return nil, "", err
		}
		if !hasValue && one.kind == truth {
			value, hasValue = "true", true
		}
		if !hasValue {
			if len(arguments) == 0 {
				return nil, "", fmt.Errorf("flag needs an argument: -%s", name)
			}
			value, arguments = arguments[0], arguments[1:]
		}
		if name == "config" {
			path = value
			continue
		}
		flags[name] = append(flags[name], value)
	}
	return flags, path, nil
}

// readFiles reads the file at path, then those of the folder next to it, in the order of their names.
func readFiles(command, path string, all configuration) error {
	files := []string{path}
	more, err := filepath.Glob(path + ".d/*.yaml")
	if err != nil {
		return err
	}
	sort.Strings(more)
	for _, file := range append(files, more...) {
		content, err := os.ReadFile(file)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return err
		}
		if err := readFile(command, content, all); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

func readFile(command string, content []byte, all configuration) error {
	keys := map[string]any{}
	if err := yaml.Unmarshal(content, &keys); err != nil {
		return err
	}
	for key, value := range keys {
		name, adds := strings.CutSuffix(key, "+")
		if _, err := find(command, name); err != nil {
			return err
		}
		var values []string
		if several, is := value.([]any); is {
			for _, one := range several {
				values = append(values, fmt.Sprint(one))
			}
		} else {
			values = []string{fmt.Sprint(value)}
		}
		if adds {
			values = append(slices.Clone(all[name]), values...)
		}
		all[name] = values
	}
	return nil
}
