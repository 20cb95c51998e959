package api

import (
	"google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"

	adminv1 "github.com/mayfly-broker/mayfly/proto/admin/v1"
	authpb "github.com/mayfly-broker/mayfly/proto/auth"
	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	controlpb "github.com/mayfly-broker/mayfly/proto/control"
	leaderboardpb "github.com/mayfly-broker/mayfly/proto/leaderboard"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	tokenpb "github.com/mayfly-broker/mayfly/proto/token"
	webhookpb "github.com/mayfly-broker/mayfly/proto/webhook"
)

// need is what a credential must allow for a method.
type need uint8

const (
	nothing       need = iota + 1 // no credential is looked at
	ownCredential                 // the message carries the credential, and the handler checks it
	control                       // super user, admin or open mode
	// From here on a call is about what caches hold, and its use is counted.
	readItem      // every key in the message may be read
	writeItem     // every key may be written
	readWriteItem // both, by one statement
	subscribe     // the topic may be read
	publish       // the topic may be written
)

// rule is what the door knows about a method.
type rule struct {
	need need
	// retried: N, G and P repeat the method by themselves on UNAVAILABLE and
	// INTERNAL (protocol.md 3.4).
	retried bool
}

// isUnguarded reports whether the message is taken in before anybody knows who calls.
func (r rule) isUnguarded() bool { return r.need == nothing || r.need == ownCredential }

const (
	repeated = true
	once     = false
)

// prompt are methods that are much used and wait for nothing, as long as this node
// has what they are about.
var prompt = map[string]bool{
	cachepb.Scs_Get_FullMethodName:         true,
	cachepb.Ping_Ping_FullMethodName:       true,
	pubsubpb.Pubsub_Publish_FullMethodName: true,
}

// rules is protocol.md 6.5 joined with 3.4. A method that is not here cannot be
// registered.
var rules = map[string]rule{
	// Scalars, and keys of any type.
	cachepb.Scs_Get_FullMethodName:            {readItem, repeated},
	cachepb.Scs_GetBatch_FullMethodName:       {readItem, repeated},
	cachepb.Scs_GetWithHash_FullMethodName:    {readItem, once},
	cachepb.Scs_KeysExist_FullMethodName:      {readItem, repeated},
	cachepb.Scs_ItemGetTtl_FullMethodName:     {readItem, repeated},
	cachepb.Scs_ItemGetType_FullMethodName:    {readItem, repeated},
	cachepb.Scs_Set_FullMethodName:            {writeItem, repeated},
	cachepb.Scs_SetBatch_FullMethodName:       {writeItem, repeated},
	cachepb.Scs_Delete_FullMethodName:         {writeItem, repeated},
	cachepb.Scs_SetIf_FullMethodName:          {readWriteItem, once},
	cachepb.Scs_SetIfHash_FullMethodName:      {readWriteItem, once},
	cachepb.Scs_SetIfNotExists_FullMethodName: {readWriteItem, once},
	cachepb.Scs_Increment_FullMethodName:      {readWriteItem, once},
	cachepb.Scs_UpdateTtl_FullMethodName:      {readWriteItem, once},

	// Lists.
	cachepb.Scs_ListFetch_FullMethodName:            {readItem, repeated},
	cachepb.Scs_ListLength_FullMethodName:           {readItem, repeated},
	cachepb.Scs_ListRemove_FullMethodName:           {writeItem, repeated},
	cachepb.Scs_ListErase_FullMethodName:            {writeItem, once},
	cachepb.Scs_ListRetain_FullMethodName:           {writeItem, once},
	cachepb.Scs_ListPushFront_FullMethodName:        {readWriteItem, once},
	cachepb.Scs_ListPushBack_FullMethodName:         {readWriteItem, once},
	cachepb.Scs_ListConcatenateFront_FullMethodName: {readWriteItem, once},
	cachepb.Scs_ListConcatenateBack_FullMethodName:  {readWriteItem, once},
	cachepb.Scs_ListPopFront_FullMethodName:         {readWriteItem, once},
	cachepb.Scs_ListPopBack_FullMethodName:          {readWriteItem, once},

	// Dictionaries.
	cachepb.Scs_DictionaryGet_FullMethodName:       {readItem, repeated},
	cachepb.Scs_DictionaryFetch_FullMethodName:     {readItem, repeated},
	cachepb.Scs_DictionaryLength_FullMethodName:    {readItem, repeated},
	cachepb.Scs_DictionarySet_FullMethodName:       {writeItem, repeated},
	cachepb.Scs_DictionaryDelete_FullMethodName:    {writeItem, repeated},
	cachepb.Scs_DictionaryIncrement_FullMethodName: {readWriteItem, once},

	// Sets.
	cachepb.Scs_SetFetch_FullMethodName:      {readItem, repeated},
	cachepb.Scs_SetSample_FullMethodName:     {readItem, repeated},
	cachepb.Scs_SetContains_FullMethodName:   {readItem, repeated},
	cachepb.Scs_SetLength_FullMethodName:     {readItem, repeated},
	cachepb.Scs_SetUnion_FullMethodName:      {writeItem, repeated},
	cachepb.Scs_SetDifference_FullMethodName: {writeItem, repeated},
	cachepb.Scs_SetPop_FullMethodName:        {readWriteItem, once},

	// Sorted sets.
	cachepb.Scs_SortedSetFetch_FullMethodName:         {readItem, repeated},
	cachepb.Scs_SortedSetGetScore_FullMethodName:      {readItem, repeated},
	cachepb.Scs_SortedSetGetRank_FullMethodName:       {readItem, repeated},
	cachepb.Scs_SortedSetLength_FullMethodName:        {readItem, repeated},
	cachepb.Scs_SortedSetLengthByScore_FullMethodName: {readItem, repeated},
	cachepb.Scs_SortedSetPut_FullMethodName:           {writeItem, repeated},
	cachepb.Scs_SortedSetRemove_FullMethodName:        {writeItem, repeated},
	cachepb.Scs_SortedSetIncrement_FullMethodName:     {readWriteItem, once},
	cachepb.Scs_SortedSetUnionStore_FullMethodName:    {readWriteItem, once},

	// Leaderboards.
	leaderboardpb.Leaderboard_GetLeaderboardLength_FullMethodName: {readItem, once},
	leaderboardpb.Leaderboard_GetByRank_FullMethodName:            {readItem, once},
	leaderboardpb.Leaderboard_GetByScore_FullMethodName:           {readItem, once},
	leaderboardpb.Leaderboard_GetRank_FullMethodName:              {readItem, once},
	leaderboardpb.Leaderboard_GetCompetitionRank_FullMethodName:   {readItem, once},
	leaderboardpb.Leaderboard_UpsertElements_FullMethodName:       {writeItem, once},
	leaderboardpb.Leaderboard_RemoveElements_FullMethodName:       {writeItem, once},
	leaderboardpb.Leaderboard_DeleteLeaderboard_FullMethodName:    {writeItem, once},

	// Topics.
	pubsubpb.Pubsub_Subscribe_FullMethodName: {subscribe, once},
	pubsubpb.Pubsub_Publish_FullMethodName:   {publish, once},

	// Caches as a whole.
	controlpb.ScsControl_CreateCache_FullMethodName:      {control, once},
	controlpb.ScsControl_DeleteCache_FullMethodName:      {control, once},
	controlpb.ScsControl_ListCaches_FullMethodName:       {control, once},
	controlpb.ScsControl_FlushCache_FullMethodName:       {control, once},
	controlpb.ScsControl_CreateSigningKey_FullMethodName: {control, once},
	controlpb.ScsControl_RevokeSigningKey_FullMethodName: {control, once},
	controlpb.ScsControl_ListSigningKeys_FullMethodName:  {control, once},

	// Webhooks.
	webhookpb.Webhook_PutWebhook_FullMethodName:          {control, once},
	webhookpb.Webhook_DeleteWebhook_FullMethodName:       {control, once},
	webhookpb.Webhook_ListWebhooks_FullMethodName:        {control, once},
	webhookpb.Webhook_GetWebhookSecret_FullMethodName:    {control, once},
	webhookpb.Webhook_RotateWebhookSecret_FullMethodName: {control, once},

	// Credentials. JavaScript clients send theirs in the message only.
	authpb.Auth_Login_FullMethodName:                     {nothing, once},
	authpb.Auth_GenerateApiToken_FullMethodName:          {ownCredential, once},
	authpb.Auth_RefreshApiToken_FullMethodName:           {ownCredential, once},
	tokenpb.Token_GenerateDisposableToken_FullMethodName: {ownCredential, once},

	// Operators.
	adminv1.Admin_CreateApiKey_FullMethodName: {control, once},
	adminv1.Admin_ListApiKeys_FullMethodName:  {control, once},
	adminv1.Admin_RevokeApiKey_FullMethodName: {control, once},
	adminv1.Admin_Version_FullMethodName:      {control, once},

	adminv1.Admin_ClusterStatus_FullMethodName:      {control, once},
	adminv1.Admin_DrainNode_FullMethodName:          {control, once},
	adminv1.Admin_ResumeNode_FullMethodName:         {control, once},
	adminv1.Admin_LeaveNode_FullMethodName:          {control, once},
	adminv1.Admin_RemoveNode_FullMethodName:         {control, once},
	adminv1.Admin_TransferLeadership_FullMethodName: {control, once},
	adminv1.Admin_CreateJoinToken_FullMethodName:    {control, once},
	adminv1.Admin_JoinCluster_FullMethodName:        {control, once},
	adminv1.Admin_RotateKeys_FullMethodName:         {control, once},

	adminv1.Caches_CreateCache_FullMethodName:           {control, once},
	adminv1.Caches_UpdateCache_FullMethodName:           {control, once},
	adminv1.Caches_DescribeCaches_FullMethodName:        {control, once},
	adminv1.Credentials_RotateApiKey_FullMethodName:     {control, once},
	adminv1.Credentials_UpdateApiKey_FullMethodName:     {control, once},
	adminv1.Credentials_RevokeTokens_FullMethodName:     {control, once},
	adminv1.Credentials_ListRevocations_FullMethodName:  {control, once},
	adminv1.Credentials_RotateSigningKey_FullMethodName: {control, once},
	adminv1.Credentials_RevokeSigningKey_FullMethodName: {control, once},
	adminv1.Credentials_ListSigningKeys_FullMethodName:  {control, once},
	adminv1.Audit_ListActs_FullMethodName:               {control, once},

	adminv1.Usage_ReportUsage_FullMethodName: {control, once},
	adminv1.Usage_ExportUsage_FullMethodName: {control, once},

	// Whether the node is there, and what it speaks.
	cachepb.Ping_Ping_FullMethodName:                                       {nothing, once},
	grpc_health_v1.Health_Check_FullMethodName:                             {nothing, once},
	grpc_health_v1.Health_List_FullMethodName:                              {nothing, once},
	grpc_health_v1.Health_Watch_FullMethodName:                             {nothing, once},
	reflectionv1.ServerReflection_ServerReflectionInfo_FullMethodName:      {nothing, once},
	reflectionv1alpha.ServerReflection_ServerReflectionInfo_FullMethodName: {nothing, once},
}
