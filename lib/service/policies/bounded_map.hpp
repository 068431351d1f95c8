// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// BoundedMap: values by key, with the oldest at hand, so that what attackers can fill has a ceiling. Ordered by key, not hashed:
// no choice of keys makes it slow (attack B10).
#pragma once

#include <cassert>
#include <cstddef>
#include <list>
#include <map>
#include <utility>

namespace keystonemail::policies {

// Threads: not synchronised. Limits: as many entries as its owner lets be; make room with pop_oldest() before touch().
template <class Key, class Value>
class BoundedMap {
 public:
  struct Entry {
    Key key;
    Value value;
  };
  using Order = std::list<Entry>;  // newest first

  [[nodiscard]] Value* find(const Key& key) {
    const auto found = places_.find(key);
    return found == places_.end() ? nullptr : &found->second->value;
  }
  [[nodiscard]] const Value* find(const Key& key) const {
    const auto found = places_.find(key);
    return found == places_.end() ? nullptr : &found->second->value;
  }
  // The entry, made when it is not there, as the newest from now on.
  Value& touch(const Key& key) {
    const auto found = places_.find(key);
    if (found != places_.end()) {
      order_.splice(order_.begin(), order_, found->second);
      return found->second->value;
    }
    order_.push_front({key, Value{}});
    places_.emplace(key, order_.begin());
    return order_.front().value;
  }
  void erase(const Key& key) {
    const auto found = places_.find(key);
    if (found == places_.end()) return;
    order_.erase(found->second);
    places_.erase(found);
  }
  // REQUIRES: not empty.
  [[nodiscard]] const Entry& oldest() const {
    assert(!order_.empty());
    return order_.back();
  }
  void pop_oldest() {
    assert(!order_.empty());
    places_.erase(order_.back().key);
    order_.pop_back();
  }
  [[nodiscard]] std::size_t size() const noexcept { return places_.size(); }
  [[nodiscard]] Order& entries() noexcept { return order_; }
  [[nodiscard]] const Order& entries() const noexcept { return order_; }

 private:
  Order order_;
  std::map<Key, typename Order::iterator> places_;
};

}  // namespace keystonemail::policies
