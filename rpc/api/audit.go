package api

import (
	"context"

	adminv1 "github.com/mayfly-broker/mayfly/proto/admin/v1"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// maxActsAnswered is how many acts one answer holds unless fewer are asked for.
const maxActsAnswered = 1000

// audit serves the record of what operators did.
type audit struct {
	adminv1.UnimplementedAuditServer
	record Audit
}

func (s *audit) ListActs(ctx context.Context, r *adminv1.ListActsRequest) (*adminv1.ListActsResponse, error) {
	all, err := s.record.Acts(ctx, r.GetAfter())
	if err != nil {
		return nil, err
	}
	for len(all) > 0 && all[0].GetAtMs() < r.GetSinceMs() {
		all = all[1:]
	}
	most := int(min(r.GetLimit(), maxActsAnswered))
	if most == 0 {
		most = maxActsAnswered
	}
	if len(all) > most {
		if r.GetNewest() {
			all = all[len(all)-most:]
		} else {
			all = all[:most]
		}
	}
	answer := &adminv1.ListActsResponse{Acts: make([]*adminv1.ActInfo, len(all))}
	for i, act := range all {
		answer.Acts[i] = actInfo(act)
	}
	return answer, nil
}

// outcomeNames is what came of acts, in words.
var outcomeNames = map[storev1.ActOutcome]string{
	storev1.ActOutcome_ACT_OUTCOME_BEGUN:   "begun",
	storev1.ActOutcome_ACT_OUTCOME_DONE:    "done",
	storev1.ActOutcome_ACT_OUTCOME_FAILED:  "failed",
	storev1.ActOutcome_ACT_OUTCOME_REFUSED: "refused",
}

func actInfo(act *storev1.Act) *adminv1.ActInfo {
	info := &adminv1.ActInfo{
		Sequence: act.GetSequence(), AtMs: act.GetAtMs(), Node: act.GetNode(), Method: act.GetMethod(),
		Caller: act.GetCaller(), Credential: act.GetCredential(), KeyId: act.GetKeyId(), TokenId: act.GetTokenId(), From: act.GetFrom(),
		Outcome: outcomeNames[act.GetOutcome()], Why: act.GetWhy(), LeftOut: act.GetLeftOut(),
	}
	for _, d := range act.GetDetails() {
		info.About = append(info.About, &adminv1.ActAbout{Name: d.GetName(), Value: d.GetValue()})
	}
	return info
}
