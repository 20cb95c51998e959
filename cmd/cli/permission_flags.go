package cli

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mayfly-broker/mayfly/cmd/cli/grant"
	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
)

const allowHelp = `Permissions are given with --allow, once for each:

  cache:ROLE:CACHE[:key=KEY | :key-prefix=PREFIX]
      ROLE is readwrite, readonly or writeonly
  topic:ROLE:CACHE[:topic=NAME | :topic-prefix=PREFIX]
      ROLE is publishsubscribe, subscribeonly or publishonly

CACHE is a name, or * for every cache. A request passes when any one of them
allows it; a permission for a cache's items gives none for its topics.`

// allowFlags are the permissions of a key.
type allowFlags struct {
	allow []string
}

func (f *allowFlags) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.allow, "allow", nil, "a `permission`, such as topic:subscribeonly:chat:topic=room-1; may be repeated")
}

func (f *allowFlags) parse() ([]*permissionpb.PermissionsType, error) {
	var all []*permissionpb.PermissionsType
	for _, text := range f.allow {
		permission, err := grant.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("--allow: %w", err)
		}
		all = append(all, permission)
	}
	return all, nil
}

// scopeFlags are the short way to the permissions of a token for one place.
type scopeFlags struct {
	allowFlags
	cache, topic, topicPrefix, key, keyPrefix, role string
}

func (f *scopeFlags) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.cache, "cache", "", "`name` of the cache the token is for; * is every cache")
	flags.StringVar(&f.topic, "topic", "", "`name` of the topic it may use")
	flags.StringVar(&f.topicPrefix, "topic-prefix", "", "`beginning` of the topics it may use")
	flags.StringVar(&f.key, "key", "", "`key` of the item it may use")
	flags.StringVar(&f.keyPrefix, "key-prefix", "", "`beginning` of the keys of items it may use")
	flags.StringVar(&f.role, "role", "", "`role` it has there (default publishsubscribe for topics, readwrite for items)")
	f.allowFlags.addFlags(cmd)
	exclude(cmd, "topic", "topic-prefix")
	exclude(cmd, "key", "key-prefix")
	// Fails only for a flag that does not exist or has one already.
	_ = cmd.RegisterFlagCompletionFunc("role", cobra.FixedCompletions(grant.Roles(), cobra.ShellCompDirectiveNoFileComp))
}

// parse joins both ways of giving permissions.
func (f *scopeFlags) parse() ([]*permissionpb.PermissionsType, error) {
	all, err := f.allowFlags.parse()
	if err != nil {
		return nil, err
	}
	scope, err := f.scope()
	if err != nil {
		return nil, err
	}
	all = append(all, scope...)
	if len(all) == 0 {
		return nil, errors.New("the token would allow nothing; say what it is for with --cache and --topic or --key, or with --allow")
	}
	return all, nil
}

// scope is what the single flags say: one permission for topics, one for items,
// or both.
func (f *scopeFlags) scope() ([]*permissionpb.PermissionsType, error) {
	forTopics := f.topic != "" || f.topicPrefix != ""
	forItems := f.key != "" || f.keyPrefix != ""
	switch {
	case f.cache == "" && (forTopics || forItems || f.role != ""):
		return nil, errors.New("--cache is missing; say in which cache, or * for every cache")
	case f.cache == "":
		return nil, nil
	case forTopics && forItems && f.role != "":
		return nil, errors.New("--role cannot be for topics and items at once; use --allow for each")
	case !forTopics && !forItems:
		if f.role == "" {
			return nil, errors.New("--role is missing; say what the token may do with the whole cache, such as readonly for its items or subscribeonly for its topics")
		}
		forTopics, forItems = grant.IsTopicRole(f.role), !grant.IsTopicRole(f.role)
	}
	var all []*permissionpb.PermissionsType
	if forTopics {
		permission, err := f.topics()
		if err != nil {
			return nil, fmt.Errorf("--role: %w", err)
		}
		all = append(all, permission)
	}
	if forItems {
		permission, err := f.items()
		if err != nil {
			return nil, fmt.Errorf("--role: %w", err)
		}
		all = append(all, permission)
	}
	return all, nil
}

func (f *scopeFlags) topics() (*permissionpb.PermissionsType, error) {
	role := cmp.Or(f.role, "publishsubscribe")
	switch {
	case f.topic != "":
		return grant.Topic(role, f.cache, "topic", f.topic)
	case f.topicPrefix != "":
		return grant.Topic(role, f.cache, "topic-prefix", f.topicPrefix)
	default:
		return grant.Topic(role, f.cache, "", "")
	}
}

func (f *scopeFlags) items() (*permissionpb.PermissionsType, error) {
	role := cmp.Or(f.role, "readwrite")
	switch {
	case f.key != "":
		return grant.Cache(role, f.cache, "key", f.key)
	case f.keyPrefix != "":
		return grant.Cache(role, f.cache, "key-prefix", f.keyPrefix)
	default:
		return grant.Cache(role, f.cache, "", "")
	}
}
