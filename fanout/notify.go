package fanout

// Notify has call called from now on wherever Ready would have been rung, and once at once, because Ready may have been rung
// before. It is for readers that share a goroutine. call must be quick and must neither block nor use the subscription: it
// may come from several goroutines at a time, and with locks of this package held. Ready, Next and NextBatch are of no use
// any more. A call that is under way when the subscription is closed may end after that.
func (s *Subscription) Notify(call func()) {
	s.notify.Store(&call)
	call()
}

// notified calls who wants to be called instead of rung, if somebody does.
func (s *Subscription) notified() bool {
	call := s.notify.Load()
	if call == nil {
		return false
	}
	(*call)()
	return true
}
