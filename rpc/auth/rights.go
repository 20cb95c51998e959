package auth

import permissionpb "github.com/mayfly-broker/mayfly/proto/permission"

// Who may mint what (protocol.md 6.4): the admin, and anyone in open mode, mints
// everything; a super user's API key mints all but its like; every other caller
// mints nothing. So nobody ever hands on more than it has: whoever may mint at
// all may do everything with data.

// MayMintAPIKey returns nil when the caller may make an API key with these
// permissions, ErrPermissionDenied otherwise. It does not check whether the
// permissions make sense.
func MayMintAPIKey(caller Principal, permissions *permissionpb.Permissions) error {
	if err := mayMint(caller); err != nil {
		return err
	}
	if caller.Kind == KindAPIKey && isSuperUser(permissions) {
		return denied("an API key cannot make a super user key, use the admin credential")
	}
	return nil
}

// MayMintDisposable returns nil when the caller may make disposable tokens,
// ErrPermissionDenied otherwise.
func MayMintDisposable(caller Principal) error { return mayMint(caller) }

func mayMint(caller Principal) error {
	switch {
	case caller.Kind == KindToken:
		return denied("a disposable token cannot make keys or tokens")
	case !caller.AllowsControl():
		return denied("only a super user API key or the admin credential can make keys and tokens")
	}
	return nil
}
