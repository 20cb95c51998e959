package api

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	adminv1 "github.com/mayfly-broker/mayfly/proto/admin/v1"
	authpb "github.com/mayfly-broker/mayfly/proto/auth"
	controlpb "github.com/mayfly-broker/mayfly/proto/control"
	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	tokenpb "github.com/mayfly-broker/mayfly/proto/token"
	webhookpb "github.com/mayfly-broker/mayfly/proto/webhook"
	"github.com/mayfly-broker/mayfly/rpc/auth"
	"github.com/mayfly-broker/mayfly/rpc/route"
	"github.com/mayfly-broker/mayfly/store"
)

// record is how an operator's call goes on record.
type record uint8

const (
	// around: as begun before it is carried out, and with what came of it
	// afterwards. What has no row is put on record so, without details.
	around record = iota
	// carried: by the very command that changes the catalog, so that neither is
	// there without the other.
	carried
	// unrecorded: it changes nothing and reveals nothing secret, or there are too
	// many. Attempts of those who may not are put on record all the same.
	unrecorded
)

// actRule is how a call goes on record, and what of its message: fields by their
// names, none of which may hold a secret.
type actRule struct {
	record record
	about  []string
}

// actRules has a row for every method that operators call.
var actRules = map[string]actRule{
	controlpb.ScsControl_CreateCache_FullMethodName:      {carried, []string{"cache_name"}},
	controlpb.ScsControl_DeleteCache_FullMethodName:      {carried, []string{"cache_name"}},
	controlpb.ScsControl_FlushCache_FullMethodName:       {carried, []string{"cache_name"}},
	controlpb.ScsControl_ListCaches_FullMethodName:       {unrecorded, nil},
	controlpb.ScsControl_CreateSigningKey_FullMethodName: {carried, []string{"ttl_minutes"}},
	controlpb.ScsControl_RevokeSigningKey_FullMethodName: {carried, []string{"key_id"}},
	controlpb.ScsControl_ListSigningKeys_FullMethodName:  {unrecorded, nil},

	// Where a webhook posts to is left out: a URL may hold a password.
	webhookpb.Webhook_PutWebhook_FullMethodName: {carried, []string{
		"webhook.webhook_id.cache_name", "webhook.webhook_id.webhook_name", "webhook.topic_name",
	}},
	webhookpb.Webhook_DeleteWebhook_FullMethodName:       {carried, []string{"webhook_id.cache_name", "webhook_id.webhook_name"}},
	webhookpb.Webhook_RotateWebhookSecret_FullMethodName: {carried, []string{"webhook_id.cache_name", "webhook_id.webhook_name"}},
	webhookpb.Webhook_GetWebhookSecret_FullMethodName:    {around, []string{"cache_name", "webhook_name"}},
	webhookpb.Webhook_ListWebhooks_FullMethodName:        {unrecorded, nil},

	authpb.Auth_GenerateApiToken_FullMethodName:          {carried, []string{"description", "token_id", "permissions"}},
	authpb.Auth_RefreshApiToken_FullMethodName:           {carried, nil},
	tokenpb.Token_GenerateDisposableToken_FullMethodName: {unrecorded, nil},

	adminv1.Admin_CreateApiKey_FullMethodName: {carried, []string{"description", "token_id", "valid_for_seconds", "permissions"}},
	adminv1.Admin_RevokeApiKey_FullMethodName: {carried, []string{"id"}},
	adminv1.Admin_ListApiKeys_FullMethodName:  {unrecorded, nil},
	adminv1.Admin_Version_FullMethodName:      {unrecorded, nil},

	adminv1.Admin_ClusterStatus_FullMethodName:      {unrecorded, nil},
	adminv1.Admin_DrainNode_FullMethodName:          {around, []string{"node"}},
	adminv1.Admin_ResumeNode_FullMethodName:         {around, []string{"node"}},
	adminv1.Admin_LeaveNode_FullMethodName:          {around, []string{"node", "fewer"}},
	adminv1.Admin_RemoveNode_FullMethodName:         {around, []string{"node", "force", "fewer"}},
	adminv1.Admin_TransferLeadership_FullMethodName: {around, []string{"group", "to"}},
	adminv1.Admin_CreateJoinToken_FullMethodName:    {around, []string{"valid_for_seconds"}},
	adminv1.Admin_JoinCluster_FullMethodName:        {around, []string{"seeds", "replace"}},
	adminv1.Admin_RotateKeys_FullMethodName:         {around, []string{"authority"}},

	adminv1.Caches_CreateCache_FullMethodName:    {carried, []string{"cache", "limits"}},
	adminv1.Caches_UpdateCache_FullMethodName:    {carried, []string{"cache", "limits"}},
	adminv1.Caches_DescribeCaches_FullMethodName: {unrecorded, nil},

	adminv1.Credentials_RotateApiKey_FullMethodName: {carried, []string{"id", "grace_seconds"}},
	adminv1.Credentials_UpdateApiKey_FullMethodName: {carried, []string{
		"id", "description", "max_traffic_rate", "max_throughput_kbps", "max_subscription_count", "weight",
	}},
	adminv1.Credentials_RevokeTokens_FullMethodName:     {carried, []string{"token_id", "ban_seconds"}},
	adminv1.Credentials_ListRevocations_FullMethodName:  {unrecorded, nil},
	adminv1.Credentials_RotateSigningKey_FullMethodName: {carried, []string{"force"}},
	adminv1.Credentials_RevokeSigningKey_FullMethodName: {carried, []string{"id"}},
	adminv1.Credentials_ListSigningKeys_FullMethodName:  {unrecorded, nil},
	adminv1.Audit_ListActs_FullMethodName:               {unrecorded, nil},

	adminv1.Usage_ReportUsage_FullMethodName: {unrecorded, nil},
	adminv1.Usage_ExportUsage_FullMethodName: {unrecorded, nil},
}

// operators reports whether a method is one that operators call.
func (m *method) operators() bool { return m.need == control || m.need == ownCredential }

const (
	// settleTime bounds how long a call waits to have put on record what came of
	// it, and refusalTime the same for one that was refused.
	settleTime  = 5 * time.Second
	refusalTime = time.Second
	// A node puts refusalBurst refused attempts on record, and one more every
	// refusalPause: every one of them is a write of the whole cluster.
	refusalBurst = 10
	refusalPause = 10 * time.Second
)

// refusalLog bounds how many refused attempts go on record. The zero value is
// ready, and safe for concurrent use.
type refusalLog struct {
	mu sync.Mutex
	// full is when refusalBurst attempts may go on record again.
	full    time.Time
	leftOut uint64
}

// admit reports whether one more may go on record, and how many were left out
// since the last that did.
func (l *refusalLog) admit(now time.Time) (leftOut uint64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full.Before(now) {
		l.full = now
	}
	next := l.full.Add(refusalPause)
	if next.Sub(now) > refusalBurst*refusalPause {
		l.leftOut++
		return 0, false
	}
	l.full, leftOut, l.leftOut = next, l.leftOut, 0
	return leftOut, true
}

// beginAct notes what an operator's call is about, and puts it on record before it
// is carried out if it does not go with a change of the catalog.
func (c *call) beginAct(message any) error {
	rule := actRules[c.method.name]
	if !c.method.operators() || rule.record == unrecorded {
		return nil
	}
	act := c.newAct()
	// Nothing but the own key is asked of who refreshes it.
	act.Humble = c.method.name == authpb.Auth_RefreshApiToken_FullMethodName
	act.Details = details(message.(proto.Message), rule.about)
	c.act = &route.Act{Record: act}
	if rule.record == carried {
		c.Context = route.WithAct(c.Context, c.act)
		return nil
	}
	begun := proto.CloneOf(act)
	begun.Outcome = storev1.ActOutcome_ACT_OUTCOME_BEGUN
	number, err := c.door.audit.RecordAct(c, begun)
	c.actNumber = number
	return err
}

// newAct says who asks for what.
func (c *call) newAct() *storev1.Act {
	act := &storev1.Act{Node: c.door.self, Method: c.method.name, From: c.from()}
	introduce(act, c.who)
	return act
}

// introduce puts the caller into an act.
func introduce(act *storev1.Act, who auth.Principal) {
	act.Caller = who.Kind.String()
	act.Credential, act.KeyId, act.TokenId = store.ActText(who.ID), store.ActText(who.KeyID), store.ActText(who.TokenID)
}

// note adds to what goes on record about the call; it must hold no secret.
func (c *call) note(name, value string) {
	if c.act != nil {
		c.act.Record.Details = append(c.act.Record.Details, &storev1.ActDetail{Name: name, Value: store.ActText(value)})
	}
}

// from is the address that the call came from, as far as it is known. A port says
// nothing.
func (c *call) from() string {
	p, ok := peer.FromContext(c)
	if !ok || p.Addr == nil {
		return ""
	}
	host, _, err := net.SplitHostPort(p.Addr.String())
	if err != nil {
		host = p.Addr.String()
	}
	return store.ActText(host)
}

// endAct puts on record what came of an operator's call. err is what the caller is
// told.
func (c *call) endAct(err error) {
	if !c.method.operators() || c.door.audit == nil {
		return
	}
	code := status.Code(err)
	why := store.ActText(status.Convert(err).Message())
	switch {
	case c.actNumber != 0:
		outcome := storev1.ActOutcome_ACT_OUTCOME_DONE
		if err != nil {
			outcome = storev1.ActOutcome_ACT_OUTCOME_FAILED
		}
		c.toRecord(settleTime, func(ctx context.Context) error { return c.door.audit.SettleAct(ctx, c.actNumber, outcome, why) })
	case err == nil || c.act != nil && c.act.Taken():
	case code == codes.Unauthenticated, code == codes.PermissionDenied:
		c.recordRefusal(why)
	case c.attempted(code):
		c.recordFailure(why)
	}
}

// attempted reports whether a call that failed with a code, and has not gone on
// record, was an act of somebody who may act. What anybody else sends, junk for
// instance, fills nothing.
func (c *call) attempted(code codes.Code) bool {
	rule := actRules[c.method.name]
	switch {
	case rule.record == unrecorded, !c.who.AllowsControl():
		return false
	case c.act == nil:
		// It was turned away unread, for load for instance, or could not be read.
		return code == codes.InvalidArgument
	default:
		// The record is where the change was to go, and takes none either then. What
		// was to go on record as begun, and has not, failed for that.
		return rule.record == carried && code != codes.Unavailable
	}
}

// recordFailure puts on record what failed on the way to the change that would have
// carried it. Of a message that could not be read it tells nothing.
func (c *call) recordFailure(why string) {
	act := c.newAct()
	if c.act != nil {
		act = c.act.Record
	}
	act.Outcome, act.Why = storev1.ActOutcome_ACT_OUTCOME_FAILED, why
	c.toRecord(settleTime, func(ctx context.Context) error { return c.recordNow(ctx, act) })
}

func (c *call) recordRefusal(why string) {
	leftOut, ok := c.door.refusedActs.admit(time.Now())
	if !ok {
		return
	}
	act := c.newAct()
	if c.act != nil {
		act.Details = c.act.Record.GetDetails()
	}
	act.Outcome, act.Why, act.LeftOut = storev1.ActOutcome_ACT_OUTCOME_REFUSED, why, leftOut
	c.toRecord(refusalTime, func(ctx context.Context) error { return c.recordNow(ctx, act) })
}

func (c *call) recordNow(ctx context.Context, act *storev1.Act) error {
	_, err := c.door.audit.RecordAct(ctx, act)
	return err
}

// toRecord writes to the record although the caller may have gone.
func (c *call) toRecord(limit time.Duration, write func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Context), limit)
	defer cancel()
	if err := write(ctx); err != nil {
		c.door.logger.Warn("what came of an operator's call is not on record", "method", c.method.name, "err", err)
	}
}

// details are the fields of a message that go on record.
func details(message proto.Message, fields []string) (all []*storev1.ActDetail) {
	for _, path := range fields {
		name, value := field(message.ProtoReflect(), path)
		if value != "" {
			all = append(all, &storev1.ActDetail{Name: name, Value: store.ActText(value)})
		}
	}
	return all
}

// field returns the last name of a path of fields, and what the field says, "" when
// it is not set.
func field(m protoreflect.Message, path string) (name, value string) {
	name, rest, deeper := strings.Cut(path, ".")
	fd := m.Descriptor().Fields().ByName(protoreflect.Name(name))
	switch {
	case fd == nil || !m.Has(fd):
		return name, ""
	case deeper:
		return field(m.Get(fd).Message(), rest)
	case fd.IsList():
		var texts []string
		for i := range m.Get(fd).List().Len() {
			texts = append(texts, m.Get(fd).List().Get(i).String())
		}
		return name, strings.Join(texts, ", ")
	case fd.Message() != nil:
		return name, describe(m.Get(fd).Message().Interface())
	default:
		return name, m.Get(fd).String()
	}
}

// describe says what is in a message that goes on record as a whole.
func describe(m proto.Message) string {
	switch m := m.(type) {
	case *permissionpb.Permissions:
		lines, err := auth.Describe(m)
		if err != nil {
			return "permissions that make no sense"
		}
		return strings.Join(lines, "; ")
	case *storev1.CacheLimits:
		return describeLimits(m.ProtoReflect())
	default:
		return fmt.Sprintf("%T", m)
	}
}

// describeLimits lists the limits that are set.
func describeLimits(m protoreflect.Message) string {
	var all []string
	for i := range m.Descriptor().Fields().Len() {
		fd := m.Descriptor().Fields().Get(i)
		if !m.Has(fd) {
			continue
		}
		text := m.Get(fd).String()
		if fd.Enum() != nil {
			// It may be a number that has no name: nobody has looked yet.
			if known := fd.Enum().Values().ByNumber(m.Get(fd).Enum()); known != nil {
				text = string(known.Name())
			}
		}
		all = append(all, fmt.Sprintf("%s %s", fd.Name(), text))
	}
	return strings.Join(all, ", ")
}
