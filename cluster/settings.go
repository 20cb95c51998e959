package cluster

import "fmt"

// Settings are what a cluster is born with.
type Settings struct {
	// ClusterID names the cluster on every connection.
	ClusterID string `json:"cluster_id"`
	// Groups is the number of data groups, fixed at birth.
	Groups int `json:"groups"`
	// Level is the feature level that every member understands. New kinds of
	// commands are proposed only from their level on. It only rises.
	Level uint32 `json:"level"`
}

// Check requires usable settings.
func (s Settings) Check() error {
	if err := checkID("cluster id", s.ClusterID); err != nil {
		return err
	}
	if _, err := NewTopology(s.Groups); err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	return nil
}
