// A device plugin for a GPU that does not exist. The kubelet offers it to pods as `nvidia.com/gpu`; with the configuration for
// time slicing of NVIDIA's plugin, as often as that says. Nothing can be computed on it.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	api "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
	"sigs.k8s.io/yaml"
)

const (
	resource = "nvidia.com/gpu"
	socket   = "homelab-lab-gpu.sock"
	poll     = 2 * time.Second
)

// sharing is the part of the configuration of NVIDIA's plugin that counts here.
type sharing struct {
	Sharing struct {
		TimeSlicing struct {
			Resources []struct {
				Name     string `json:"name"`
				Replicas int    `json:"replicas"`
			} `json:"resources"`
		} `json:"timeSlicing"`
	} `json:"sharing"`
}

// replicas is how often the GPU is offered.
func replicas(path string) (int, error) {
	content, err := os.ReadFile(path)
	if os.IsNotExist(err) || path == "" {
		return 1, nil
	}
	if err != nil {
		return 0, err
	}
	var read sharing
	if err := yaml.Unmarshal(content, &read); err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	for _, one := range read.Sharing.TimeSlicing.Resources {
		if one.Name == resource && one.Replicas > 0 {
			return one.Replicas, nil
		}
	}
	return 1, nil
}

type plugin struct {
	api.UnimplementedDevicePluginServer
	path string
}

func (p *plugin) GetDevicePluginOptions(context.Context, *api.Empty) (*api.DevicePluginOptions, error) {
	return &api.DevicePluginOptions{}, nil
}

func (p *plugin) ListAndWatch(_ *api.Empty, stream api.DevicePlugin_ListAndWatchServer) error {
	told := -1
	for {
		count, err := replicas(p.path)
		if err != nil {
			log.Print(err)
		} else if count != told {
			var devices []*api.Device
			for index := range count {
				devices = append(devices, &api.Device{ID: fmt.Sprintf("GPU-stand-in::%d", index), Health: api.Healthy})
			}
			if err := stream.Send(&api.ListAndWatchResponse{Devices: devices}); err != nil {
				return err
			}
			log.Printf("offering %s %d times", resource, count)
			told = count
		}
		select {
		case <-stream.Context().Done():
			return nil
		case <-time.After(poll):
		}
	}
}

func (p *plugin) Allocate(_ context.Context, request *api.AllocateRequest) (*api.AllocateResponse, error) {
	answer := &api.AllocateResponse{}
	for range request.ContainerRequests {
		answer.ContainerResponses = append(answer.ContainerResponses, &api.ContainerAllocateResponse{
			Envs: map[string]string{"NVIDIA_VISIBLE_DEVICES": "GPU-stand-in"},
		})
	}
	return answer, nil
}

// serve offers the devices until the kubelet starts again, which removes the socket.
func serve(path string) error {
	own := filepath.Join(api.DevicePluginPath, socket)
	if err := os.Remove(own); err != nil && !os.IsNotExist(err) {
		return err
	}
	listener, err := net.Listen("unix", own)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	defer server.Stop()
	api.RegisterDevicePluginServer(server, &plugin{path: path})
	go func() {
		if err := server.Serve(listener); err != nil {
			log.Print(err)
		}
	}()
	if err := register(); err != nil {
		return err
	}
	for {
		if _, err := os.Stat(own); err != nil {
			return nil
		}
		time.Sleep(poll)
	}
}

func register() error {
	connection, err := grpc.NewClient("unix://"+api.KubeletSocket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	soon, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, err = api.NewRegistrationClient(connection).Register(soon, &api.RegisterRequest{
		Version: api.Version, Endpoint: socket, ResourceName: resource,
	})
	return err
}

func main() {
	log.Print("stand-in: a GPU that does not exist")
	for {
		if err := serve(os.Getenv("CONFIG_FILE")); err != nil {
			log.Print(err)
		}
		time.Sleep(poll)
	}
}
