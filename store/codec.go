package store

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// CommandVersion is the newest first byte of an encoded command. It is raised
// with every addition to the schema that a command may use: a replica that does
// not know all of a command must stop rather than carry out the part it knows.
// A command that needs nothing new keeps its old version, so that nodes of two
// releases can work side by side until somebody uses what one of them lacks.
const CommandVersion = 3

// catalogCommandVersion is the same for the catalog.
const catalogCommandVersion = 3

// catalogVersionOf is versionOf for the catalog.
func catalogVersionOf(cmd *CatalogCommand) byte {
	if cmd.GetAct() != nil {
		return 3
	}
	switch op := cmd.GetOp().(type) {
	case *storev1.CatalogCommand_UpdateCache, *storev1.CatalogCommand_UseSigningKey, *storev1.CatalogCommand_RotateApiKey, *storev1.CatalogCommand_UpdateApiKey,
		*storev1.CatalogCommand_RefreshApiKey, *storev1.CatalogCommand_DenyTokens, *storev1.CatalogCommand_RecordAct, *storev1.CatalogCommand_SettleAct:
		return 3
	case *storev1.CatalogCommand_PutDeposit:
		return depositsVersion
	case *storev1.CatalogCommand_CreateCache:
		return limitsVersion(op.CreateCache.GetLimits())
	case *storev1.CatalogCommand_AddSigningKey:
		return signingKeyVersion(op.AddSigningKey)
	case *storev1.CatalogCommand_PutApiKey:
		return apiKeyVersion(op.PutApiKey.GetKey())
	case *storev1.CatalogCommand_PutWebhook:
		return webhookVersion(op.PutWebhook.GetWebhook())
	case *storev1.CatalogCommand_DeleteWebhook, *storev1.CatalogCommand_RotateWebhook:
		return 2
	}
	return 1
}

func signingKeyVersion(op *storev1.AddSigningKey) byte {
	if key := op.GetKey(); op.GetFirst() || key.GetUsedFromMs() != 0 || key.GetEndsAtMs() != 0 || key.GetApplication() {
		return 3
	}
	return 1
}

func webhookVersion(w *Webhook) byte {
	if w.GetHolder() != "" {
		return 3
	}
	return 2
}

func apiKeyVersion(key *APIKey) byte {
	if len(key.GetDigest()) > 0 || key.GetSuccessor() != "" || key.GetRefreshedFrom() != "" || key.GetRefreshedAtMs() != 0 ||
		key.GetAccount() != "" || key.GetLimits() != nil {
		return 3
	}
	return 1
}

// versionOf returns the version that first knew all of a command.
func versionOf(cmd *Command) byte {
	switch cmd.GetOp().(type) {
	case *storev1.Command_Evict:
		return 3
	case *storev1.Command_DictionarySet, *storev1.Command_DictionaryIncrement, *storev1.Command_DictionaryRemove,
		*storev1.Command_SetAdd, *storev1.Command_SetRemove, *storev1.Command_SetComplement, *storev1.Command_SetPop,
		*storev1.Command_SortedSetPut, *storev1.Command_SortedSetIncrement, *storev1.Command_SortedSetRemove,
		*storev1.Command_SortedSetUnion:
		return 2
	case *storev1.Command_DictionaryAdd:
		return 3
	}
	if cmd.GetSpace() != storev1.Space_SPACE_ITEMS {
		return 2
	}
	return 1
}

// MaxCommandBytes bounds an encoded command. The largest request a door
// receives is 11 MiB.
const MaxCommandBytes = 32 << 20

var (
	// ErrVersion says that bytes were written by a newer version of this
	// package. The replica has to be upgraded; it must not skip them.
	ErrVersion = errors.New("store: written by a newer version")
	// ErrMalformed says that bytes are not what they should be: damaged, cut
	// or never ours.
	ErrMalformed = errors.New("store: malformed")
)

// EncodeCommand appends a command to buf in the form that goes into the log.
// It fails when the result would exceed [MaxCommandBytes] or when a text in
// the command is not UTF-8.
func EncodeCommand(buf []byte, cmd *Command) ([]byte, error) {
	return encode(buf, versionOf(cmd), cmd)
}

// DecodeCommand reads what [EncodeCommand] has written. The command shares no
// memory with data. It fails with [ErrVersion] or [ErrMalformed], never with a
// panic.
func DecodeCommand(data []byte) (*Command, error) {
	cmd := new(Command)
	if err := decode(data, CommandVersion, cmd); err != nil {
		return nil, err
	}
	return cmd, nil
}

// EncodeCatalogCommand is [EncodeCommand] for the catalog. It fails, too, for a command
// with fields that this build does not know: parts of one may come from outside, and
// no replica could read it.
func EncodeCatalogCommand(buf []byte, cmd *CatalogCommand) ([]byte, error) {
	if !KnowsAll(cmd) {
		return nil, errors.New("store: encode command: it holds fields this node does not know")
	}
	return encode(buf, catalogVersionOf(cmd), cmd)
}

// DecodeCatalogCommand is [DecodeCommand] for the catalog.
func DecodeCatalogCommand(data []byte) (*CatalogCommand, error) {
	cmd := new(CatalogCommand)
	if err := decode(data, catalogCommandVersion, cmd); err != nil {
		return nil, err
	}
	return cmd, nil
}

func encode(buf []byte, version byte, m proto.Message) ([]byte, error) {
	if n := proto.Size(m); n >= MaxCommandBytes {
		return nil, fmt.Errorf("store: encode command: %d bytes, at most %d are allowed", n, MaxCommandBytes-1)
	}
	out, err := proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(append(buf, version), m)
	if err != nil {
		return nil, fmt.Errorf("store: encode command: %w", err)
	}
	return out, nil
}

func decode(data []byte, newest byte, m proto.Message) error {
	switch {
	case len(data) == 0:
		return fmt.Errorf("%w command: no bytes, at least the version is needed", ErrMalformed)
	case len(data) > MaxCommandBytes:
		return fmt.Errorf("%w command: %d bytes, at most %d are allowed", ErrMalformed, len(data), MaxCommandBytes)
	case data[0] == 0:
		return fmt.Errorf("%w command: version 0, the first is 1", ErrMalformed)
	case data[0] > newest:
		return fmt.Errorf("%w: command version %d, this node knows up to %d", ErrVersion, data[0], newest)
	}
	if known, err := unmarshal(data[1:], m); err != nil {
		return fmt.Errorf("%w command: %w", ErrMalformed, err)
	} else if !known {
		return fmt.Errorf("%w: the command holds fields this node does not know", ErrVersion)
	}
	return nil
}

// unmarshal decodes a message and tells whether the schema of this build knows
// all of it.
func unmarshal(data []byte, m proto.Message) (known bool, err error) {
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(data, m); err != nil {
		return false, err
	}
	// Nothing encodes what is known in fewer bytes than our own encoding, so the
	// lengths agree only when nothing was discarded. That spares nearly every
	// message the walk through its fields.
	if proto.Size(m) == len(data) {
		return true, nil
	}
	if err := proto.Unmarshal(data, m); err != nil {
		return false, err
	}
	return KnowsAll(m), nil
}

// KnowsAll reports whether this build knows every field of a message, which must have
// no maps, and of those inside it.
func KnowsAll(m proto.Message) bool { return !hasUnknown(m.ProtoReflect()) }

// hasUnknown tells whether a message, or one inside it, holds a field that the
// schema of this build lacks.
func hasUnknown(m protoreflect.Message) bool {
	if len(m.GetUnknown()) > 0 {
		return true
	}
	found := false
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if fd.Message() == nil {
			return true
		}
		if !fd.IsList() {
			found = hasUnknown(v.Message())
			return !found
		}
		for i := range v.List().Len() {
			if found = hasUnknown(v.List().Get(i).Message()); found {
				break
			}
		}
		return !found
	})
	return found
}
