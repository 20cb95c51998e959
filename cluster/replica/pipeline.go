package replica

import (
	"time"

	"github.com/hashicorp/raft"
)

// pipelineStall is how long a message may wait for its place in a pipeline, which
// it gets when an earlier one is answered. What is given up then is the pipeline
// only: raft goes on message by message, and makes another one later.
const pipelineStall = 2 * time.Second

// AppendEntriesPipeline implements raft.Transport.
func (t *transport) AppendEntriesPipeline(id raft.ServerID, target raft.ServerAddress) (raft.AppendPipeline, error) {
	inner, err := t.NetworkTransport.AppendEntriesPipeline(id, target)
	if err != nil {
		return nil, err
	}
	return stream{inner}, nil
}

// stream is raft's pipeline, and gives up when it is stuck. Raft stops reading the answers at the first
// that is a refusal, such as one from a newer term; with its places taken by
// answers that nobody reads, the next message would wait for ever, and with it
// the goroutine that replicates to this follower: a leader would send it nothing
// more, and a node could not stop.
type stream struct{ raft.AppendPipeline }

// AppendEntries implements raft.AppendPipeline.
func (p stream) AppendEntries(args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) (raft.AppendFuture, error) {
	stuck := time.AfterFunc(pipelineStall, func() { _ = p.Close() })
	defer stuck.Stop()
	return p.AppendPipeline.AppendEntries(args, resp)
}
