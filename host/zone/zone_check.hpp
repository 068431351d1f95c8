// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Whether the DNS has what the plan of a zone wants: pure judgement of answers.
#pragma once

#include "commands/findings.hpp"
#include "keystonemail/dns/answer.hpp"
#include "zone/zone_plan.hpp"

namespace keystonemail::host {

// `answer` is that to the record's owner and type.
[[nodiscard]] Finding judge_record(const PlannedRecord& planned, const dns::Answer& answer);

}  // namespace keystonemail::host
