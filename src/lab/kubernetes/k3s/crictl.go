package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// crictl knows `images`, `ps` and `pods`, as a table or with `-o json`, and `rmi`.
func crictl(arguments []string) error {
	var words []string
	asJSON, all := false, false
	for index := 0; index < len(arguments); index++ {
		switch argument := arguments[index]; argument {
		case "-o", "--output":
			index++
			asJSON = index < len(arguments) && arguments[index] == "json"
		case "-ojson", "-o=json", "--output=json":
			asJSON = true
		case "-a", "--all":
			all = true
		default:
			words = append(words, argument)
		}
	}
	if len(words) == 0 {
		return fmt.Errorf("crictl needs a command: images, ps, pods or rmi")
	}
	connection, err := grpc.NewClient("unix://"+containerdSocket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	soon, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	images, runtime := cri.NewImageServiceClient(connection), cri.NewRuntimeServiceClient(connection)
	switch words[0] {
	case "images", "image", "img":
		answer, err := images.ListImages(soon, &cri.ListImagesRequest{})
		if err != nil {
			return err
		}
		rows := []string{"IMAGE\tIMAGE ID\tSIZE"}
		for _, one := range answer.Images {
			rows = append(rows, fmt.Sprintf("%s\t%.20s\t%d", strings.Join(one.RepoTags, ","), one.Id, one.Size))
		}
		return show(answer, asJSON, rows)
	case "ps":
		filter := &cri.ContainerFilter{State: &cri.ContainerStateValue{State: cri.ContainerState_CONTAINER_RUNNING}}
		if all {
			filter = nil
		}
		answer, err := runtime.ListContainers(soon, &cri.ListContainersRequest{Filter: filter})
		if err != nil {
			return err
		}
		rows := []string{"CONTAINER\tIMAGE\tSTATE\tNAME"}
		for _, one := range answer.Containers {
			rows = append(rows, fmt.Sprintf("%.13s\t%.20s\t%s\t%s", one.Id, one.ImageRef, one.State, one.Metadata.GetName()))
		}
		return show(answer, asJSON, rows)
	case "pods":
		answer, err := runtime.ListPodSandbox(soon, &cri.ListPodSandboxRequest{})
		if err != nil {
			return err
		}
		rows := []string{"POD ID\tSTATE\tNAME\tNAMESPACE"}
		for _, one := range answer.Items {
			rows = append(rows, fmt.Sprintf("%.13s\t%s\t%s\t%s", one.Id, one.State, one.Metadata.GetName(), one.Metadata.GetNamespace()))
		}
		return show(answer, asJSON, rows)
	case "rmi":
		for _, image := range words[1:] {
			if _, err := images.RemoveImage(soon, &cri.RemoveImageRequest{Image: &cri.ImageSpec{Image: image}}); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("crictl of the lab does not know: %s", words[0])
}

func show(answer proto.Message, asJSON bool, rows []string) error {
	if asJSON {
		text, err := protojson.MarshalOptions{Multiline: true, EmitUnpopulated: true}.Marshal(answer)
		fmt.Println(string(text))
		return err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 4, 3, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(table, row)
	}
	return table.Flush()
}
