#include "relay/packet_queue.h"

#include <algorithm>

#include "base/verify.h"

namespace sinew::relay {

PacketQueue::~PacketQueue() {
  if (total_ != nullptr) total_->now -= bytes();
}

void PacketQueue::push(Bytes frame, std::uint64_t sender, bool is_disco) {
  VERIFY(!frame.empty());
  if (is_disco && frame.size() <= kMaxDiscoFrameBytes) {
    if (disco_.count == limits_.disco_packets) drop(disco_, disco_.head);
    return add(disco_, std::move(frame), sender);
  }
  while (data_.count > 0 && !has_room_for(frame.size()))
    drop_of_greediest();
  if (!has_room_for(frame.size())) {
    ++dropped_;
    return;
  }
  add_share(sender, frame.size());
  add(data_, std::move(frame), sender);
}

void PacketQueue::take(Bytes& out, std::size_t most) {
  take_lane(disco_, out, most);
  take_lane(data_, out, most);
}

bool PacketQueue::has_room_for(std::size_t size) const {
  if (data_.count == limits_.packets) return false;
  std::size_t most = limits_.bytes;
  if (total_ != nullptr && total_->most != 0)
    most = std::min(most, total_->most - std::min(total_->most, total_->now));
  return data_.bytes + size <= most;
}

void PacketQueue::add(Lane& lane, Bytes frame, std::uint64_t sender) {
  lane.bytes += frame.size();
  if (total_ != nullptr) total_->now += frame.size();
  ++lane.count;
  lane.entries.push_back({.frame = std::move(frame), .sender = sender});
}

Bytes PacketQueue::remove(Lane& lane, std::size_t index) {
  Bytes frame = std::exchange(lane.entries[index].frame, {});
  lane.bytes -= frame.size();
  --lane.count;
  if (total_ != nullptr) total_->now -= frame.size();
  if (&lane == &data_) take_share(lane.entries[index].sender, frame.size());
  skip_removed(lane);
  return frame;
}

void PacketQueue::drop(Lane& lane, std::size_t index) {
  static_cast<void>(remove(lane, index));
  ++dropped_;
}

void PacketQueue::drop_of_greediest() {
  const std::uint64_t greediest = std::ranges::max_element(shares_, {}, &Share::bytes)->sender;
  for (std::size_t index = data_.head; index < data_.entries.size(); ++index) {
    const Entry& entry = data_.entries[index];
    if (!entry.frame.empty() && entry.sender == greediest) return drop(data_, index);
  }
  VERIFY_NOT_REACHED();
}

void PacketQueue::take_lane(Lane& lane, Bytes& out, std::size_t most) {
  while (lane.count > 0 && out.size() < most) {
    const Bytes frame = remove(lane, lane.head);
    out.insert(out.end(), frame.begin(), frame.end());
  }
}

void PacketQueue::add_share(std::uint64_t sender, std::size_t bytes) {
  const auto found = std::ranges::find(shares_, sender, &Share::sender);
  if (found == shares_.end()) return shares_.push_back({.sender = sender, .bytes = bytes});
  found->bytes += bytes;
}

void PacketQueue::take_share(std::uint64_t sender, std::size_t bytes) {
  const auto found = std::ranges::find(shares_, sender, &Share::sender);
  VERIFY(found != shares_.end());
  found->bytes -= bytes;
  if (found->bytes != 0) return;
  *found = shares_.back();
  shares_.pop_back();
}

// The head is a frame that is there. Once more than half of the places are empty they are given
// back, which costs each entry one move.
void PacketQueue::skip_removed(Lane& lane) {
  if (lane.count == 0) {
    lane.entries = {};
    lane.head = 0;
    return;
  }
  while (lane.entries[lane.head].frame.empty())
    ++lane.head;
  if (lane.entries.size() <= 2 * lane.count + kFewPlaces) return;
  std::erase_if(lane.entries, [](const Entry& entry) { return entry.frame.empty(); });
  lane.head = 0;
}

}  // namespace sinew::relay
