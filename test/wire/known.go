package wire

// known are the differences we want, with the reason for each. One that is no
// longer found fails the test as surely as one that is not listed.
var known = map[Difference]string{
	{"permission.PermissionsType 3", onlyOurs}: "function permissions are newer than the SDK's copy; a credential may carry one",

	{"/control_client.ScsControl/CreateIndex", onlyTheirs}: "a vector index is no broker's job",
	{"/control_client.ScsControl/DeleteIndex", onlyTheirs}: "a vector index is no broker's job",
	{"/control_client.ScsControl/ListIndexes", onlyTheirs}: "a vector index is no broker's job",

	{"/control_client.ScsControl/CreateStore", onlyTheirs}: "the store product was retired",
	{"/control_client.ScsControl/DeleteStore", onlyTheirs}: "the store product was retired",
	{"/control_client.ScsControl/ListStores", onlyTheirs}:  "the store product was retired",
}

// notServed are the SDK's services that we have no .proto for, with the reason
// for each.
var notServed = map[string]string{
	"store.Store":              "the store product was retired",
	"vectorindex.VectorIndex":  "a vector index is no broker's job",
	"global_admin.GlobalAdmin": "the hosted service's own console",
}
