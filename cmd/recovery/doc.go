// Package recovery brings a cluster back that lost the majority of its nodes for
// good, from the data directories of the survivors. It works offline: the nodes
// must be stopped.
//
// A group that lost most of its voters can elect no leader. What is left is to
// choose the survivor that knows most of it and to make that one the whole group,
// under a number that tells everybody that the group was brought back; when the
// survivor starts, the cluster's record follows by itself. Writes that only the
// dead had are gone, and writes that were never acknowledged may appear. So
// nothing here is done without being told who is dead: a node that is only away
// must be brought back instead.
//
// It must never know clients, flags or terminals: who shows a plan and asks for
// consent is somebody else. It starts no goroutine; a Plan belongs to its caller.
package recovery
