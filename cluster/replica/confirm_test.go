package replica

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// Who waits long for leadership to be proven is told, whoever comes after that at
// once, and nobody who is answered in time.
func TestWhoWaitsLongIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		takes := make(chan time.Duration, 3)
		f := &fence{prove: func() error { time.Sleep(<-takes); return nil }}
		defer f.close()
		// read returns when its caller was told; below 0 if it was not.
		read := func() <-chan time.Duration {
			began, told, answer := time.Now(), time.Duration(-1), make(chan time.Duration, 1)
			go func() {
				if err := f.wait(t.Context(), func(context.Context) { told = time.Since(began) }); err != nil {
					t.Error(err)
				}
				answer <- told
			}()
			synctest.Wait()
			return answer
		}
		wants := func(name string, answer <-chan time.Duration, want time.Duration) {
			t.Helper()
			if told := <-answer; told != want {
				t.Errorf("%s was told after %v, want %v", name, told, want)
			}
		}
		takes <- lateAfter - 1
		wants("one that is answered in time", read(), -1)
		takes <- 2 * time.Second
		first := read()
		time.Sleep(time.Millisecond)
		second := read()
		time.Sleep(time.Second)
		third := read()
		takes <- time.Millisecond
		wants("the first", first, lateAfter)
		wants("one that waits for the next round", second, lateAfter)
		wants("one that came when others had waited for long", third, 0)
		takes <- 0
		wants("one that came later", read(), -1)
	})
}
