package main

import (
	"context"
	"log"
	"path/filepath"
	"slices"
	"time"

	core "k8s.io/api/core/v1"
	failures "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// The class of volumes that are folders of a node.
	localPath   = "local-path"
	provisioner = "rancher.io/local-path"
	// Written by the scheduler, which chooses the node by its first pod.
	selectedNode  = "volume.kubernetes.io/selected-node"
	provisionedBy = "pv.kubernetes.io/provisioned-by"
)

// provision gives each claim of the class a folder of the node that the scheduler chose, and takes volumes away whose claim is
// gone. Their folders stay: unlike in k3s, they are not emptied here.
func (s *server) provision() {
	ctx := context.Background()
	for ; ; time.Sleep(poll / 2) {
		if slices.Contains(s.configuration.list("disable"), "local-storage") {
			return
		}
		if err := s.provisionOnce(ctx); err != nil {
			log.Printf("level=warning msg=%q", err)
		}
	}
}

func (s *server) provisionOnce(ctx context.Context) error {
	claims, err := s.admin.CoreV1().PersistentVolumeClaims("").List(ctx, meta.ListOptions{})
	if err != nil {
		return err
	}
	volumes := s.admin.CoreV1().PersistentVolumes()
	for _, claim := range claims.Items {
		class := claim.Spec.StorageClassName
		if class == nil || *class != localPath || claim.Status.Phase != core.ClaimPending || claim.Spec.VolumeName != "" || claim.Annotations[selectedNode] == "" {
			continue
		}
		if _, err := volumes.Create(ctx, s.volume(&claim), meta.CreateOptions{}); err != nil && !failures.IsAlreadyExists(err) {
			return err
		}
	}
	all, err := volumes.List(ctx, meta.ListOptions{})
	if err != nil {
		return err
	}
	for _, volume := range all.Items {
		if volume.Annotations[provisionedBy] != provisioner || volume.Status.Phase != core.VolumeReleased || volume.Spec.PersistentVolumeReclaimPolicy != core.PersistentVolumeReclaimDelete {
			continue
		}
		if err := volumes.Delete(ctx, volume.Name, meta.DeleteOptions{}); err != nil && !failures.IsNotFound(err) {
			return err
		}
	}
	return nil
}

func (s *server) volume(claim *core.PersistentVolumeClaim) *core.PersistentVolume {
	name := "pvc-" + string(claim.UID)
	create := core.HostPathDirectoryOrCreate
	return &core.PersistentVolume{
		ObjectMeta: meta.ObjectMeta{Name: name, Annotations: map[string]string{provisionedBy: provisioner}},
		Spec: core.PersistentVolumeSpec{
			Capacity: core.ResourceList{core.ResourceStorage: claim.Spec.Resources.Requests[core.ResourceStorage]},
			PersistentVolumeSource: core.PersistentVolumeSource{HostPath: &core.HostPathVolumeSource{
				Path: filepath.Join(s.data, "storage", name+"_"+claim.Namespace+"_"+claim.Name), Type: &create,
			}},
			AccessModes:                   claim.Spec.AccessModes,
			ClaimRef:                      &core.ObjectReference{APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID},
			PersistentVolumeReclaimPolicy: core.PersistentVolumeReclaimDelete,
			StorageClassName:              localPath,
			VolumeMode:                    claim.Spec.VolumeMode,
			NodeAffinity: &core.VolumeNodeAffinity{Required: &core.NodeSelector{NodeSelectorTerms: []core.NodeSelectorTerm{{
				MatchExpressions: []core.NodeSelectorRequirement{{
					Key: core.LabelHostname, Operator: core.NodeSelectorOpIn, Values: []string{claim.Annotations[selectedNode]},
				}},
			}}}},
		},
	}
}
