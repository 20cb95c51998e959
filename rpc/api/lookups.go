package api

import (
	"context"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// lookups is a data plane that tells somebody whether what was asked about was
// there.
type lookups struct {
	Data
	tell func(found bool)
}

// View implements Data.
func (l lookups) View(ctx context.Context, query *storev1.Query, relaxed bool) (*storev1.Result, error) {
	result, err := l.Data.View(ctx, query, relaxed)
	if err == nil && result.GetStatus() == storev1.Status_STATUS_OK {
		if found, asked := foundIn(result); asked {
			l.tell(found)
		}
	}
	return result, err
}

// foundIn reads off a result whether there was such an item; asked is false for
// results that do not say.
func foundIn(result *storev1.Result) (found, asked bool) {
	switch outcome := result.GetOutcome().(type) {
	case *storev1.Result_Value_:
		return outcome.Value.GetFound(), true
	case *storev1.Result_Exists:
		return outcome.Exists, true
	case *storev1.Result_Kind:
		return outcome.Kind != storev1.Kind_KIND_UNSPECIFIED, true
	case *storev1.Result_Length_:
		return outcome.Length.GetFound(), true
	case *storev1.Result_ItemTtl_:
		return outcome.ItemTtl.GetFound(), true
	case *storev1.Result_Values_:
		return outcome.Values.GetFound(), true
	case *storev1.Result_Fields_:
		return outcome.Fields.GetFound(), true
	case *storev1.Result_Dictionary_:
		return outcome.Dictionary.GetFound(), true
	case *storev1.Result_Contained_:
		return outcome.Contained.GetFound(), true
	case *storev1.Result_Range_:
		return outcome.Range.GetFound(), true
	case *storev1.Result_Scores_:
		return outcome.Scores.GetFound(), true
	case *storev1.Result_Ranks_:
		return outcome.Ranks.GetFound(), true
	default:
		return false, false
	}
}
