// Generated from gateway/openapi.json by `npm run generate`. Do not edit.

export interface paths {
    "/api/agents": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** All agents, with their certificates and codes. */
        get: operations["agents"];
        put?: never;
        /** Makes a one-time code for an agent; it is shown once and kept nowhere. */
        post: operations["add"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/agents/{agent}/configuration": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** All versions of what an agent is to run, the newest first. */
        get: operations["versions"];
        put?: never;
        /** Keeps a new version; the agent hears of it as soon as it is connected. */
        post: operations["propose"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/agents/{agent}/control": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The orders that were given to an agent, the newest first, with what became of each. */
        get: operations["orders"];
        put?: never;
        /**
         * Orders something from a device of an agent, once. It is written into the history before it is sent, and expires after a
         *     minute. The agent carries it out only if its own configuration allows that.
         */
        post: operations["order"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/agents/{agent}/revoke": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Takes back everything an agent has; a connection of it ends at once. */
        post: operations["revoke"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/businesses": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** All businesses with their class. */
        get: operations["businesses"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/businesses/{uscc}/credit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A business's credit record. */
        get: operations["credit"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/cameras": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The registered cameras. */
        get: operations["cameras"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/cases": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The cases, worst first among those that are not decided, then the newest. */
        get: operations["cases"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/cases/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A case with everything a decision needs. */
        get: operations["case"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/cases/{id}/decision": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Decides a case. A confirmation seals the evidence and writes the credit entry with its outbox row. */
        post: operations["decide"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/cases/{id}/take": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Takes a case up. */
        post: operations["take"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/coverage": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The coverage ledger: what was expected, what came, what did not and why. */
        get: operations["coverage"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/credit/{id}/{action}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Acts on a credit entry: objection, in_force, uphold, correct, withdraw or repair. */
        post: operations["act_on_credit"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/enroll": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Enrols the agent that knows a one-time code. Nobody signs in: the seal shows that the sender knows the code. */
        post: operations["enroll"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/evidence/{id}/bundle": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A sealed bundle, as a ZIP file. */
        get: operations["bundle"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/fleet": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** All agents, the worst first. */
        get: operations["fleet"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/fleet/{agent}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** An agent with its devices, its coverage by day and its gap records. */
        get: operations["fleet_agent"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/footage": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Footage, the newest first. */
        get: operations["footage"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/footage/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One. */
        get: operations["one"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/footage/{id}/parts/{role}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The bytes of a part, as they are on disk; who fetches them is in the history before the first one is given. An original is
         *     given only after it was approved, and is encrypted for two custodians.
         */
        get: operations["part"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/footage/{id}/unmask": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Asks for the original, with a reason. Two reviewers, neither of whom asked, must approve. */
        post: operations["unmask"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/footage/{id}/unmask/approve": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Approves that somebody else may have the original. */
        post: operations["approve"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/footage/{id}/unmask/refuse": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Refuses that somebody else has the original, with a reason. */
        post: operations["refuse"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/footage/{id}/unmask/withdraw": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Takes back one's own wish for the original, with a reason, before it was approved. */
        post: operations["withdraw"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/inspection/plan": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The plan: one visit per address. */
        get: operations["plan"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/overview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** All sites, with what is open. */
        get: operations["overview"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/series": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Readings of a point: raw for short windows, buckets of min, mean and max for long ones. */
        get: operations["series"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who is signed in. */
        get: operations["whoami"];
        put?: never;
        /** Signs in; the answer sets the session's cookie. */
        post: operations["sign_in"];
        /** Signs out. */
        delete: operations["sign_out"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sites/{site}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A site with its devices, points and signals. */
        get: operations["site"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sites/{site}/signals": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The signals of a site, the newest first. */
        get: operations["site_signals"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/status": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** How the gateway is, and what it refused. */
        get: operations["status"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /**
         * @description What a person may do beside looking.
         * @enum {string}
         */
        Act: "take_up" | "set_aside" | "confirm" | "note_objection" | "change_record" | "keep_agents" | "control_devices" | "ask_unmasking" | "approve_unmasking";
        /**
         * @description What can be done with an entry.
         * @enum {string}
         */
        Action: "in_force" | "objection" | "uphold" | "correct" | "withdraw" | "repair";
        /** @description What a device is to do (HJ 212-2017 Table 9). */
        ActionView: {
            /** @enum {string} */
            kind: "read_clock";
        } | {
            /** @enum {string} */
            kind: "set_clock";
        } | {
            /** @description Which data. */
            data: components["schemas"]["PeriodView"];
            /**
             * Format: int64
             * @description From.
             */
            from: number;
            /** @enum {string} */
            kind: "back_fill";
            /**
             * Format: int64
             * @description Until.
             */
            to: number;
        } | {
            /** @enum {string} */
            kind: "read_interval";
            /** @description What. */
            of: components["schemas"]["IntervalView"];
        } | {
            /**
             * Format: int32
             * @description Seconds (30 to 3600) of real-time data; minutes (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30) of minute data.
             */
            every: number;
            /** @enum {string} */
            kind: "set_interval";
            /** @description What. */
            of: components["schemas"]["IntervalView"];
        } | {
            /** @description Its factor code. */
            factor: string;
            /** @enum {string} */
            kind: "read_identity";
        } | {
            /** @description Factor code of the analyser. */
            factor: string;
            /** @description Code of the entry. */
            info: string;
            /** @enum {string} */
            kind: "read_information";
        };
        /** @description Which agent a code is for. */
        AddAgent: {
            /** @description Its name. */
            agent: string;
            /** @description Its site. */
            site: string;
            /**
             * Format: int32
             * @description How long the code may be used; 15 minutes if left out.
             */
            valid_minutes?: number | null;
        };
        /** @description An agent. */
        AgentLine: {
            /** @description Its name. */
            agent: string;
            footage?: null | components["schemas"]["BoxFootage"];
            /** @description Its site's id. */
            site: string;
            site_name?: null | components["schemas"]["Text"];
            /** @description Whether it is connected. */
            state: components["schemas"]["AgentState"];
        };
        /**
         * @description How it stands with an agent's identity.
         * @enum {string}
         */
        AgentStanding: "waiting" | "good" | "revoked";
        /**
         * @description Whether an agent is connected.
         * @enum {string}
         */
        AgentState: "online" | "offline" | "unheard";
        /** @description An agent. */
        AgentView: {
            /** @description Its name. */
            agent: string;
            certificate?: null | components["schemas"]["CertificateView"];
            code?: null | components["schemas"]["PendingView"];
            /**
             * Format: int64
             * @description When it was enrolled last.
             */
            enrolled_at?: number | null;
            /** @description It is connected now. */
            is_connected: boolean;
            /** @description It is in the registry. */
            is_registered: boolean;
            /**
             * Format: int64
             * @description When it came in last with a certificate.
             */
            last_seen?: number | null;
            refusal?: null | components["schemas"]["RefusalView"];
            /**
             * Format: int64
             * @description Certificates of it that were not let in, since the start.
             */
            refused: number;
            /**
             * Format: int64
             * @description When it was revoked last.
             */
            revoked_at?: number | null;
            /** @description Its site's id. */
            site: string;
            site_name?: null | components["schemas"]["Text"];
            /** @description How it stands. */
            standing: components["schemas"]["AgentStanding"];
            /** @description Its connections took over from each other. */
            takeovers: components["schemas"]["TakeoversView"];
        };
        /** @description All agents. */
        AgentsView: {
            /** @description By name. */
            agents: components["schemas"]["AgentView"][];
            /**
             * Format: int64
             * @description Events about agents that were dropped since the start because too many came at once.
             */
            events_dropped: number;
            /**
             * Format: int64
             * @description The gateway's time.
             */
            now: number;
            /**
             * Format: int64
             * @description Codes that were wrong, used or expired, since the start.
             */
            wrong_codes: number;
        };
        /** @description Somebody who approved. */
        ApprovalView: {
            /**
             * Format: int64
             * @description When.
             */
            at: number;
            /** @description Who. */
            who: string;
        };
        /** @description Why the original is needed. */
        AskUnmasking: {
            /** @description In a sentence. */
            reason: string;
        };
        /** @description What became of readings: `expected + extra = in_time + late + missing + silent`, always. */
        BalanceView: {
            /**
             * Format: int64
             * @description Promised; where nothing was promised, as many as came.
             */
            expected: number;
            /**
             * Format: int64
             * @description Came beyond what was promised.
             */
            extra: number;
            /**
             * Format: int64
             * @description Came in time, with a value.
             */
            in_time: number;
            /**
             * Format: int64
             * @description Came late or from the buffer, with a value.
             */
            late: number;
            /** @description Did not come, and somebody said why. */
            missing: components["schemas"]["MissingLine"][];
            /**
             * Format: double
             * @description The share of the expected readings that has a value, 0 to 1; `None` where nothing was expected.
             */
            share?: number | null;
            /**
             * Format: int64
             * @description Did not come, and nobody has said anything yet; what waits in the agent's buffer is among them.
             */
            silent: number;
        };
        /**
         * @description What became of a version.
         * @enum {string}
         */
        Became: "trial" | "applied" | "refused" | "rolled_back";
        /** @description What became of a version. */
        BecameView: {
            /**
             * Format: int64
             * @description Since when, by the agent's clock.
             */
            at: number;
            /** @description Why, if it does not run; as the agent says it. */
            reasons: string[];
            /** @description What. */
            state: components["schemas"]["Became"];
        };
        /** @description What happened here before. */
        Before: {
            /**
             * Format: int64
             * @description When.
             */
            at: number;
            /** @description The case. */
            id: string;
            /** @description Why it was decided so. */
            reason: string;
            /** @description Where it stands. */
            state: components["schemas"]["State"];
            /** @description What it was about. */
            title: components["schemas"]["Text"];
        };
        /** @description Footage of an agent, as it says itself. */
        BoxFootage: {
            /**
             * Format: int64
             * @description Bytes of these files.
             */
            bytes: number;
            /**
             * Format: int64
             * @description Bytes at which the oldest are let go of.
             */
            bytes_max: number;
            /**
             * Format: int64
             * @description Masked files that wait for the gateway, those that it does not take included.
             */
            files: number;
            /**
             * Format: int64
             * @description Files that were lost before the gateway had them, since the agent started.
             */
            lost: number;
            /**
             * Format: int64
             * @description When the oldest of these files was cut.
             */
            oldest_at?: number | null;
            /**
             * Format: int64
             * @description Sealed originals.
             */
            originals: number;
            /**
             * Format: int64
             * @description Bytes of sealed originals.
             */
            originals_bytes: number;
            /**
             * Format: int64
             * @description Of these files those that the gateway does not take.
             */
            refused: number;
            /**
             * Format: int64
             * @description Files that the gateway got since the agent started.
             */
            sent: number;
            /**
             * Format: int64
             * @description Pictures that are to be cut and masked.
             */
            wanted: number;
        };
        /** @description A piece of a long chart. */
        BucketView: {
            /**
             * Format: int64
             * @description Readings with a value.
             */
            count: number;
            /**
             * Format: int64
             * @description From.
             */
            from: number;
            /**
             * Format: double
             * @description Largest.
             */
            max: number;
            /**
             * Format: double
             * @description Mean.
             */
            mean: number;
            /**
             * Format: double
             * @description Smallest.
             */
            min: number;
            /**
             * Format: int64
             * @description To, exclusive.
             */
            to: number;
        };
        /** @description What waits at an agent for a receipt, as it said last. */
        BufferView: {
            /**
             * Format: int64
             * @description When it said so.
             */
            at: number;
            /**
             * Format: double
             * @description Share of the buffer's room in use, 0 to 1.
             */
            fill?: number | null;
            /**
             * Format: int64
             * @description Time of the oldest record that waits.
             */
            oldest_at?: number | null;
            /**
             * Format: int64
             * @description Records that wait.
             */
            records?: number | null;
        };
        /** @description A business with its class. */
        BusinessLine: {
            /** @description Entries in its record. */
            entries: number;
            /** @description Its class. */
            grade: components["schemas"]["Class"];
            /** @description Its name. */
            name: string;
            /** @description Its code. */
            uscc: string;
        };
        /** @description A business. */
        BusinessView: {
            /** @description Its name. */
            name: string;
            /** @description Its code. */
            uscc: string;
        };
        /** @description Open signals by severity. */
        BySeverity: {
            /** @description 提示. */
            I: number;
            /** @description 一般. */
            II: number;
            /** @description 较重. */
            III: number;
            /** @description 严重. */
            IV: number;
        };
        /** @description A camera, and what people were told of it. */
        CameraView: {
            /** @description Its id. */
            id: string;
            /** @description Where exactly; empty if it is not stated. */
            location: string;
            /** @description What is missing before anything that it sees is judged or kept; its own health is judged all the same. */
            missing: components["schemas"]["Text"][];
            /** @description Its name. */
            name: components["schemas"]["Text"];
            /** @description The newest footage that shows how it looks. */
            overview?: string | null;
            /** @description The day on which that was published, `2026-01-15`; empty if it was not. */
            published: string;
            /** @description What for; empty if it is not stated. */
            purpose: string;
            /** @description The rules on what it sees. */
            rules: components["schemas"]["SeeingRule"][];
            /** @description The sign on site; empty if there is none. */
            sign: string;
            /** @description The site. */
            site: string;
        };
        /** @description A case in one line. */
        CaseLine: {
            /** @description The business. */
            business: components["schemas"]["BusinessView"];
            /**
             * Format: int64
             * @description By when somebody should decide.
             */
            due_at?: number | null;
            /**
             * Format: int64
             * @description Until when; `None` while it goes on.
             */
            ended_at?: number | null;
            /** @description Whether any of its devices may give evidence. */
            fit: boolean;
            /** @description Its id. */
            id: string;
            /**
             * Format: double
             * @description Against what.
             */
            limit?: number | null;
            /**
             * Format: double
             * @description What was measured, the worst.
             */
            measured?: number | null;
            /**
             * Format: int64
             * @description Since when.
             */
            opened_at: number;
            /** @description `le` or `ge`. */
            permitted?: string | null;
            /** @description The rule or model of its worst signal. */
            rule: string;
            /** @description How urgent. */
            severity: components["schemas"]["Severity"];
            /** @description How many signals it gathers. */
            signal_count: number;
            /** @description The site. */
            site: string;
            /** @description Its name. */
            site_name: components["schemas"]["Text"];
            /** @description Where it stands. */
            state: components["schemas"]["State"];
            /** @description What it is about. */
            title: components["schemas"]["Text"];
            /** @description The unit. */
            unit: string;
        };
        /** @description A case with everything. */
        CasePage: components["schemas"]["CaseLine"] & {
            /** @description Why it cannot be confirmed. */
            blockers: components["schemas"]["Text"][];
            decision?: null | components["schemas"]["DecisionView"];
            /** @description The devices that raised its signals, that of the gravest first. */
            devices: components["schemas"]["DeviceLine"][];
            evidence?: null | components["schemas"]["EvidenceView"];
            /** @description What a confirmation may name as its ground; those that raised a signal first. */
            grounds: components["schemas"]["Ground"][];
            /** @description What happened here before. */
            history: components["schemas"]["Before"][];
            /** @description What else could explain it. */
            innocent: components["schemas"]["Text"][];
            /**
             * Format: int64
             * @description The gateway's clock.
             */
            now: number;
            /** @description Their points, that of the gravest signal first. */
            points: components["schemas"]["CasePoint"][];
            /** @description Rules and models. */
            rules: components["schemas"]["RuleView"][];
            /**
             * Format: double
             * @description Score of a model.
             */
            score?: number | null;
            /** @description Signals. */
            signals: components["schemas"]["SignalLine"][];
            /**
             * Format: int64
             * @description When.
             */
            taken_at?: number | null;
            /** @description Who took it up. */
            taken_by?: string | null;
            /**
             * Format: int64
             * @description Where the chart begins.
             */
            window_from: number;
            /**
             * Format: int64
             * @description Where it ends.
             */
            window_to: number;
        };
        /** @description A point of a case. */
        CasePoint: {
            /** @description The device. */
            device: string;
            /** @description Its name. */
            device_name: components["schemas"]["Text"];
            /** @description Its label. */
            label: components["schemas"]["Text"];
            /** @description The limits that were exceeded. */
            limits: components["schemas"]["LimitView"][];
            /** @description The point. */
            point: string;
        };
        /** @description A certificate. */
        CertificateView: {
            /** @description SHA-256 of it, hexadecimal. */
            fingerprint: string;
            /** @description It ran out; its agent renews it when it comes back. */
            is_expired: boolean;
            /**
             * Format: int64
             * @description When it was issued or first shown.
             */
            issued_at: number;
            /**
             * Format: int64
             * @description When it runs out.
             */
            not_after: number;
            /** @description How it came to be known. */
            origin: components["schemas"]["Origin"];
        };
        /** @description What is done with an entry, and why. */
        ChangeBody: {
            correction?: null | components["schemas"]["CorrectionBody"];
            /** @description Why. */
            reason: string;
        };
        /** @description What the reviewer looked at (行政处罚法 Art. 41: true, clear, complete, accurate). */
        Checks: {
            /** @description 准确. */
            accurate: boolean;
            /** @description 清晰. */
            clear: boolean;
            /** @description 完整. */
            complete: boolean;
            /** @description 真实. */
            true: boolean;
        };
        /**
         * @description Risk class.
         * @enum {string}
         */
        Class: "A" | "B" | "C" | "D";
        /**
         * @description Where a code stands.
         * @enum {string}
         */
        CodeState: "pending" | "used" | "expired";
        /** @description A one-time code. It is shown here and never again. */
        CodeView: {
            /** @description The code, in groups. */
            code: string;
            /**
             * Format: int64
             * @description Until when it may be used.
             */
            valid_to: number;
        };
        /** @description All versions of an agent. */
        ConfigurationPage: {
            /** @description The agent. */
            agent: string;
            /**
             * Format: int64
             * @description The version that it says it runs; 0: its own file; `None`: it has not said.
             */
            runs?: number | null;
            /** @description Whether it runs what is wanted. */
            state: components["schemas"]["Standing"];
            /** @description The newest first. */
            versions: components["schemas"]["VersionView"][];
        };
        /** @description What a correction changes; what is left out stays. */
        CorrectionBody: {
            ground?: null | components["schemas"]["GroundName"];
            severity?: null | components["schemas"]["Severity"];
        };
        /** @description The coverage ledger for some devices and days. */
        CoverageView: {
            /**
             * Format: int64
             * @description How far the ledger has counted; today is balanced until then.
             */
            as_of: number;
            /** @description All of it. */
            balance: components["schemas"]["BalanceView"];
            /** @description By day, the latest first; days without anything are left out. */
            days: components["schemas"]["DayBalance"][];
            /** @description By device and point. */
            devices: components["schemas"]["DeviceBalance"][];
            /** @description First day. */
            from: string;
            /**
             * Format: int64
             * @description The gateway's clock.
             */
            now: number;
            /** @description Last day. */
            to: string;
        };
        /** @description A business's credit record. */
        CreditPage: {
            /** @description The business. */
            business: components["schemas"]["BusinessView"];
            /** @description Its entries, the newest first. */
            entries: components["schemas"]["EntryView"][];
            /** @description Where it comes from. */
            explanation: components["schemas"]["Line"][];
            /** @description Its class. */
            grade: components["schemas"]["Class"];
            /**
             * Format: double
             * @description The sum behind it.
             */
            score?: number | null;
        };
        /** @description A day. */
        DayBalance: {
            /** @description Its balance. */
            balance: components["schemas"]["BalanceView"];
            /** @description The day in +08:00, `2026-11-25`. */
            day: string;
        };
        /**
         * @description A decision.
         * @enum {string}
         */
        Decision: "confirm" | "reject";
        /** @description A decision to be made. */
        DecisionBody: {
            /** @description What was looked at. */
            checks?: components["schemas"]["Checks"];
            /** @description Confirm or reject. */
            decision: components["schemas"]["Decision"];
            ground?: null | components["schemas"]["GroundName"];
            /** @description Why. */
            reason: string;
        };
        /** @description A decision. */
        DecisionView: {
            /**
             * Format: int64
             * @description When.
             */
            at: number;
            /** @description Who. */
            by: string;
            /** @description Confirm or reject. */
            decision: components["schemas"]["Decision"];
            ground?: null | components["schemas"]["Ground"];
            /** @description Why. */
            reason: string;
        };
        /** @description An attempt to deliver an entry. */
        DeliveryView: {
            /** @description What was answered. */
            answer: string;
            /**
             * Format: int64
             * @description When.
             */
            at: number;
            /** @description The how manieth. */
            attempt: number;
            /** @description `delivered`, `refused` or `failed`. */
            outcome: string;
        };
        /** @description A device. */
        DeviceBalance: {
            /** @description The agent that reports it; `None` for plain telemetry. */
            agent?: string | null;
            /** @description Its balance. */
            balance: components["schemas"]["BalanceView"];
            /** @description Its id. */
            device: string;
            name?: null | components["schemas"]["Text"];
            /** @description Its points. */
            points: components["schemas"]["PointBalance"][];
            /** @description Its site. */
            site: string;
        };
        /** @description A device. */
        DeviceLine: {
            /** @description Whether it may give evidence. */
            fitness: components["schemas"]["FitnessView"];
            /** @description Its id. */
            id: string;
            /** @description Its kind. */
            kind: string;
            /** @description Where exactly. */
            location: string;
            /** @description Its name. */
            name: components["schemas"]["Text"];
        };
        /** @description An earlier signal that was counted. */
        EarlierSignal: {
            /** @description Its case. */
            case?: string | null;
            /** @description Its id. */
            id: string;
            /**
             * Format: int64
             * @description Since when.
             */
            opened_at: number;
        };
        /** @description Ends a wish for an original. */
        EndUnmasking: {
            /** @description Why; for the history, and for who asked. */
            reason: string;
        };
        /** @description The end of a wish. */
        EndView: {
            /**
             * Format: int64
             * @description When.
             */
            at: number;
            /** @description Who refused it, or took it back. */
            by: string;
            /** @description Why. */
            reason: string;
        };
        /** @description A request to be enrolled; see `contract::enrol` for its seal. */
        Enroll: {
            /** @description Names the one-time code without giving it away. */
            code: string;
            /** @description Certificate request (PKCS #10), PEM. */
            csr: string;
            /** @description Seal of the request, keyed by the code, hexadecimal. */
            seal: string;
        };
        /** @description The answer to it. */
        Enrolled: {
            /** @description JSON text: agent, site, authority, certificate, MQTT host and port. */
            answer: string;
            /** @description Seal of the answer, keyed by the code, hexadecimal. */
            seal: string;
        };
        /** @description A credit entry. */
        EntryView: {
            /** @description The case it comes from. */
            case: string;
            /** @description The entry that it corrects. */
            corrects?: string | null;
            /** @description Attempts to deliver. */
            deliveries: components["schemas"]["DeliveryView"][];
            ground?: null | components["schemas"]["Ground"];
            /** @description Its id. */
            id: string;
            /**
             * Format: int64
             * @description When it happened.
             */
            occurred_at: number;
            /**
             * Format: int64
             * @description Until when it counts.
             */
            public_until?: number | null;
            /**
             * Format: int64
             * @description When it was written.
             */
            recorded_at: number;
            /** @description How grave. */
            severity: components["schemas"]["Severity"];
            /** @description Where it stands. */
            status: components["schemas"]["Status"];
            /** @description The entry that corrected it. */
            superseded_by?: string | null;
            /** @description How it came there. */
            timeline: components["schemas"]["StepView"][];
            /** @description What it is about. */
            title: components["schemas"]["Text"];
        };
        /** @description Why a signal is graver than its rule: it is not the first. */
        EscalatedView: {
            /** @description One signal of each earlier occasion that was counted, the latest first. */
            earlier: components["schemas"]["EarlierSignal"][];
            /** @description The rule's own severity. */
            from: components["schemas"]["Severity"];
            /** @description In words, with the earlier signals by id. */
            text: components["schemas"]["Text"];
        };
        /** @description Sealed evidence. */
        EvidenceView: {
            /** @description SHA-256 of its manifest. */
            digest: string;
            /** @description Its id. */
            id: string;
            /**
             * Format: int64
             * @description When it was sealed.
             */
            sealed_at: number;
        };
        /** @description A finding of a visit. */
        FindingView: {
            /** @description The case. */
            case: string;
            /** @description How grave. */
            severity: components["schemas"]["Severity"];
            /** @description Where it stands. */
            state: components["schemas"]["State"];
            /** @description What it is about. */
            title: components["schemas"]["Text"];
        };
        /** @description Whether a device may give evidence. */
        FitnessView: {
            /** @description Calibration certificate. */
            certificate?: string | null;
            /** @description True if it may. */
            fit: boolean;
            /** @description Legal review. */
            legal_review?: string | null;
            /**
             * Format: int64
             * @description When its location was published.
             */
            published_at?: number | null;
            /** @description Why not. */
            reasons: components["schemas"]["Text"][];
            /** @description Sign on site. */
            sign?: string | null;
            /** @description Technical review. */
            technical_review?: string | null;
            /**
             * Format: int64
             * @description End of the last day of its validity.
             */
            valid_to?: number | null;
        };
        /** @description A device of an agent. */
        FleetDevice: {
            /** @description Its id. */
            device: string;
            /**
             * Format: int64
             * @description Time of its latest reading.
             */
            last_reading_at?: number | null;
            name?: null | components["schemas"]["Text"];
            /** @description Its points, today. */
            points: components["schemas"]["PointBalance"][];
            source?: null | components["schemas"]["SourceView"];
            /** @description Whether it was born and has not died. */
            state: components["schemas"]["AgentState"];
            /** @description Coverage today. */
            today: components["schemas"]["BalanceView"];
        };
        /** @description An agent in one line. */
        FleetLine: {
            /** @description Its name. */
            agent: string;
            buffer?: null | components["schemas"]["BufferView"];
            /**
             * Format: int64
             * @description Its clock minus the gateway's, ms, if it says so.
             */
            clock_offset_ms?: number | null;
            /** @description False if the agent does not trust its clock itself. */
            clock_trusted?: boolean | null;
            /** @description Whether it runs what is wanted. */
            configuration: components["schemas"]["Standing"];
            /**
             * Format: int64
             * @description The version that it says it runs; 0: its own file; `None`: it has not said.
             */
            configuration_runs?: number | null;
            /**
             * Format: int64
             * @description The version that it is to run; `None`: its own file.
             */
            configuration_wanted?: number | null;
            footage?: null | components["schemas"]["BoxFootage"];
            /**
             * Format: int64
             * @description When anything came from it last, since the gateway started.
             */
            heard_at?: number | null;
            /**
             * Format: int64
             * @description Time of its latest reading.
             */
            last_reading_at?: number | null;
            /** @description Its site's id. */
            site: string;
            site_name?: null | components["schemas"]["Text"];
            /** @description Whether it is connected. */
            state: components["schemas"]["AgentState"];
            /** @description Coverage today. */
            today: components["schemas"]["BalanceView"];
            /** @description Its version, if it says so. */
            version?: string | null;
            /** @description Coverage of the last seven days, today among them. */
            week: components["schemas"]["BalanceView"];
        };
        /** @description An agent with everything. */
        FleetPage: {
            /** @description The agent. */
            agent: components["schemas"]["FleetLine"];
            /**
             * Format: int64
             * @description How far the ledger has counted.
             */
            as_of: number;
            /** @description Coverage by day, the latest first. */
            days: components["schemas"]["DayBalance"][];
            /** @description Its devices. */
            devices: components["schemas"]["FleetDevice"][];
            /** @description Gap records of its devices, the latest first. */
            gaps: components["schemas"]["GapLine"][];
            /**
             * Format: int64
             * @description The gateway's clock.
             */
            now: number;
        };
        /** @description All agents, the worst first. */
        FleetView: {
            /** @description The agents. */
            agents: components["schemas"]["FleetLine"][];
            /**
             * Format: int64
             * @description How far the ledger has counted.
             */
            as_of: number;
            /**
             * Format: int64
             * @description The gateway's clock.
             */
            now: number;
        };
        /**
         * @description Why footage was cut.
         * @enum {string}
         */
        FootageOccasion: "sighting" | "overview" | "unknown";
        /** @description A file of footage. */
        FootagePart: {
            /**
             * Format: int64
             * @description Its length.
             */
            bytes: number;
            /**
             * Format: int32
             * @description Frames in it; 0 if it has none.
             */
            frames: number;
            /**
             * Format: int64
             * @description The first frame in it.
             */
            from?: number | null;
            /** @description Where frames are missing: the last before and the first after each hole. */
            holes: number[][];
            lost?: null | components["schemas"]["LostView"];
            /** @description As the agent said it. */
            media_type: string;
            /** @description What it is. */
            role: components["schemas"]["PartRole"];
            /** @description Its hash. */
            sha256: string;
            /** @description Where it is. */
            state: components["schemas"]["FootageState"];
            /**
             * Format: int64
             * @description The last frame in it.
             */
            to?: number | null;
        };
        /**
         * @description Where a file of footage is.
         * @enum {string}
         */
        FootageState: "here" | "coming" | "at_site" | "wanted" | "deleted" | "lost" | "refused";
        /** @description How much footage there is. */
        FootageSums: {
            /**
             * Format: int64
             * @description Bytes on disk, those of files that are under way included.
             */
            bytes: number;
            /**
             * Format: int64
             * @description Bytes on disk at most.
             */
            bytes_max: number;
            /**
             * Format: int64
             * @description Masked files that agents announced and that have not come.
             */
            coming: number;
            /**
             * Format: int64
             * @description Files that the gateway has.
             */
            here: number;
            /**
             * Format: int64
             * @description Files that agents announced and lost.
             */
            lost: number;
            /**
             * Format: int64
             * @description Manifests that do not count as their agents', so that none of their files is taken.
             */
            not_counted: number;
        };
        /** @description The pictures of one occasion. */
        FootageView: {
            /**
             * Format: int64
             * @description The frame at which it was found.
             */
            at: number;
            /** @description The camera. */
            camera: string;
            /** @description Its name. */
            camera_name: components["schemas"]["Text"];
            /** @description Cases that it belongs to. */
            cases: string[];
            /**
             * Format: int64
             * @description When it was cut.
             */
            cut_at?: number | null;
            /** @description SHA-256 of the manifest's text. */
            id: string;
            /** @description Models that found what was masked. */
            masked_by: components["schemas"]["PictureModel"][];
            /** @description Models that found it. */
            models: components["schemas"]["PictureModel"][];
            not_taken?: null | components["schemas"]["Text"];
            /** @description Why it was cut. */
            occasion: components["schemas"]["FootageOccasion"];
            /** @description Its files. */
            parts: components["schemas"]["FootagePart"][];
            /** @description The point that became 1. */
            point?: string | null;
            /**
             * Format: int64
             * @description When the manifest came.
             */
            received_at: number;
            /** @description The site. */
            site: string;
            unmasking?: null | components["schemas"]["UnmaskingView"];
            /** @description Who looked at it, the latest first. */
            viewers: components["schemas"]["FootageViewer"][];
            /** @description Name of the zone; empty where the whole picture counts. */
            zone: string;
        };
        /** @description Somebody who looked at footage. */
        FootageViewer: {
            /**
             * Format: int64
             * @description When first.
             */
            first_at: number;
            /**
             * Format: int64
             * @description When last.
             */
            last_at: number;
            /**
             * Format: int64
             * @description How many parts were fetched, the same one twice counted twice.
             */
            times: number;
            /** @description Who. */
            who: string;
        };
        /** @description A time without values. */
        Gap: {
            /**
             * Format: int64
             * @description From.
             */
            from: number;
            /** @description Why, as a quality word. */
            reason: string;
            /**
             * Format: int64
             * @description To.
             */
            to: number;
        };
        /** @description Readings that will never come, as the agent said it. */
        GapLine: {
            /** @description The agent. */
            agent: string;
            /** @description The device. */
            device: string;
            device_name?: null | components["schemas"]["Text"];
            /**
             * Format: int64
             * @description The first time at which a reading is missing.
             */
            from: number;
            /**
             * Format: int64
             * @description How many readings of all its points.
             */
            readings: number;
            /**
             * Format: int64
             * @description When the gateway learned of it.
             */
            received_at: number;
            /**
             * Format: int64
             * @description The last time.
             */
            to: number;
            /** @description Why. */
            why: string;
        };
        /** @description What to order, and why. */
        GiveOrder: {
            /** @description What it is to do. */
            action: components["schemas"]["ActionView"];
            /** @description The device. */
            device: string;
            /** @description Why; for the history. */
            reason: string;
        };
        /** @description A ground with what it says. */
        Ground: {
            /** @description The standard and clause, or the department whose item it is. */
            basis: components["schemas"]["Text"];
            /** @description Its id. */
            id: string;
            /** @description Rule or inspection item. */
            kind: components["schemas"]["GroundKind"];
            /** @description True if it raised a signal of the case. */
            raised: boolean;
            severity?: null | components["schemas"]["Severity"];
            /** @description What it says in one line; the title of the finding. */
            text: components["schemas"]["Text"];
        };
        /**
         * @description What kind of ground it is.
         * @enum {string}
         */
        GroundKind: "rule" | "item";
        /** @description A ground by name, as a decision gives it. */
        GroundName: {
            /** @description Its id. */
            id: string;
            /** @description Rule or inspection item. */
            kind: components["schemas"]["GroundKind"];
        };
        /**
         * @description What has an interval.
         * @enum {string}
         */
        IntervalView: "real_time" | "minute";
        /** @description A limit that applies to a point. */
        LimitView: {
            /** @description Its clause. */
            clause: string;
            /** @description `le`: permitted at or below the value; `ge`: at or above. */
            permitted: string;
            /** @description The rule. */
            rule: string;
            /** @description How urgent beyond it. */
            severity: components["schemas"]["Severity"];
            /** @description The standard. */
            standard: string;
            /** @description The rule in words. */
            text: components["schemas"]["Text"];
            /**
             * Format: double
             * @description The value, in the point's unit.
             */
            value: number;
        };
        /** @description One line of the explanation. */
        Line: {
            /**
             * Format: double
             * @description How much; `None` for a remark.
             */
            points?: number | null;
            /** @description What counts. */
            text: components["schemas"]["Text"];
        };
        /** @description How a file was lost at its site before it was sent. */
        LostView: {
            /**
             * Format: int64
             * @description When, by the clock of the site.
             */
            at: number;
            /** @description Why. */
            why: components["schemas"]["Text"];
        };
        /** @description Readings missing for one reason. */
        MissingLine: {
            /**
             * Format: int64
             * @description How many readings.
             */
            count: number;
            /**
             * @description The reason: of an absence (`no_answer`, `no_connection`, `refused`, `unreadable`, `stopped`, `unspecified`) or of a
             *     gap record (`buffer_full`, `disk_refused`, `damaged`, `agent_off`, `skipped`).
             */
            why: string;
        };
        /** @description A new version. */
        NewConfiguration: {
            /**
             * Format: int64
             * @description The version that its author has seen; 0: none.
             */
            based_on: number;
            /** @description Profiles and mappings that the text names, by name. */
            files?: {
                [key: string]: string;
            };
            /** @description TOML: the sources, and what of `[gateway]` is to change. Blank: the box's own file holds. */
            text: string;
            /** @description Why; for the history. */
            why: string;
        };
        /**
         * @description How it stands with an order.
         * @enum {string}
         */
        OrderState: "sent" | "not_sent" | "under_way" | "done" | "refused" | "rejected" | "failed" | "no_answer" | "no_result" | "lost" | "no_word";
        /** @description An order that was given. */
        OrderView: {
            /** @description What it was to do. */
            action: components["schemas"]["ActionView"];
            /** @description Whose device. */
            agent: string;
            /** @description Who gave it. */
            by: string;
            /** @description Which device. */
            device: string;
            /**
             * Format: int64
             * @description Not to be begun after this.
             */
            expires_at: number;
            /**
             * Format: int64
             * @description When.
             */
            given_at: number;
            /**
             * Format: int64
             * @description When the gateway heard that.
             */
            heard_at?: number | null;
            /** @description Which. */
            id: string;
            /**
             * Format: int32
             * @description Messages with data that came meanwhile and were known.
             */
            known: number;
            /**
             * Format: int32
             * @description Messages with data that came meanwhile and were new.
             */
            messages: number;
            /** @description Why. */
            reason: string;
            /** @description What the device said. */
            said: components["schemas"]["SaidView"][];
            /** @description How it stands. */
            state: components["schemas"]["OrderState"];
            /** @description The same in words. */
            what: components["schemas"]["Text"];
            /** @description The same in words, with the reason. */
            words: components["schemas"]["Text"];
        };
        /**
         * @description How a certificate came to be known.
         * @enum {string}
         */
        Origin: "code" | "renewal" | "command" | "shown";
        /** @description All sites. */
        Overview: {
            /**
             * Format: int64
             * @description The gateway's clock.
             */
            now: number;
            /** @description The sites. */
            sites: components["schemas"]["SiteLine"][];
            /**
             * Format: double
             * @description How much faster than in earnest rules run; 1 except in training.
             */
            time_scale: number;
        };
        /**
         * @description What a part of footage is.
         * @enum {string}
         */
        PartRole: "before" | "still" | "after" | "clip" | "detections" | "original";
        /**
         * @description Whether a part of the gateway does its work.
         * @enum {string}
         */
        PartState: "off" | "works" | "waits" | "blocked";
        /** @description A part of the gateway. */
        PartView: {
            /** @description What to do, where that is known. */
            fix?: string | null;
            /** @description Whether it does its work. */
            state: components["schemas"]["PartState"];
            /** @description Why not, in English as in the log. */
            why?: string | null;
        };
        /** @description A one-time code, without itself. */
        PendingView: {
            /**
             * Format: int64
             * @description When.
             */
            made_at: number;
            /** @description Who made it. */
            made_by: string;
            /** @description Where it stands. */
            state: components["schemas"]["CodeState"];
            /**
             * Format: int64
             * @description When it was used.
             */
            used_at?: number | null;
            /**
             * Format: int64
             * @description Until when it may be used.
             */
            valid_to: number;
            /**
             * Format: int32
             * @description How often somebody named it without knowing it.
             */
            wrong: number;
        };
        /**
         * @description Data that a logger keeps.
         * @enum {string}
         */
        PeriodView: "minute" | "hour" | "day";
        /** @description A model, by what its file is. */
        PictureModel: {
            /** @description Name of its manifest. */
            name: string;
            /** @description SHA-256 of its file. */
            sha256: string;
        };
        /** @description The plan. */
        PlanView: {
            /**
             * Format: int64
             * @description The day, midnight +08:00.
             */
            day: number;
            /** @description Visits the departments would make one by one. */
            separate: number;
            /** @description The visits, in order. */
            visits: components["schemas"]["VisitView"][];
            /** @description Sites to which nobody goes for now. */
            waiting: components["schemas"]["WaitingView"][];
        };
        /** @description A point. */
        PointBalance: {
            /** @description Its balance. */
            balance: components["schemas"]["BalanceView"];
            /**
             * Format: int64
             * @description The longest time between two readings that is promised now, ms.
             */
            every_ms?: number | null;
            /** @description Its label. */
            label: components["schemas"]["Text"];
            /** @description Its name. */
            point: string;
        };
        /** @description A point in one line. */
        PointLine: {
            /**
             * Format: int64
             * @description Time of the latest reading.
             */
            at?: number | null;
            /** @description Its device. */
            device: string;
            /** @description Its label. */
            label: components["schemas"]["Text"];
            /** @description Limits that apply. */
            limits: components["schemas"]["LimitView"][];
            /** @description Its name. */
            name: string;
            /** @description A word for the quality: `good`, a doubt, or the reason of an absence. */
            quality: string;
            /** @description Its unit. */
            unit: string;
            /**
             * Format: double
             * @description Its latest value.
             */
            value?: number | null;
        };
        /** @description A reading of a chart. */
        RawPoint: {
            /**
             * Format: int64
             * @description When.
             */
            at: number;
            /** @description A word for the quality. */
            quality: string;
            /**
             * Format: double
             * @description The value.
             */
            value?: number | null;
        };
        /**
         * @description Why something was refused or set aside.
         * @enum {string}
         */
        Reason: "malformed" | "oversized" | "no_birth" | "unknown_metric" | "not_finite" | "not_numeric" | "time_ahead" | "time_ancient" | "no_time" | "bad_name" | "bad_gap";
        /** @description A certificate was not let in. */
        RefusalView: {
            /**
             * Format: int64
             * @description When.
             */
            at: number;
            /** @description From which address. */
            peer: string;
            /** @description Why. */
            why: components["schemas"]["Text"];
        };
        /** @description A refusal. */
        Refused: {
            /** @description Why, and what to do, in English. */
            error: string;
            /** @description The same in both languages. */
            message: components["schemas"]["Text"];
        };
        /** @description A refused message. */
        RefusedMessage: {
            /**
             * Format: int64
             * @description When.
             */
            at: number;
            /** @description What to do, in English. */
            fix: string;
            /** @description Why. */
            reason: components["schemas"]["Reason"];
            /** @description Its topic. */
            topic: string;
            /** @description What exactly, in English. */
            what: string;
        };
        /** @description How often something was refused for one reason. */
        RefusedTally: {
            /**
             * Format: int64
             * @description How often.
             */
            count: number;
            /** @description What to do, in English. */
            fix: string;
            /**
             * Format: int64
             * @description When last.
             */
            last_at: number;
            /** @description Why. */
            reason: components["schemas"]["Reason"];
            /** @description Whether the sender was asked to send it again; then it is not kept in the file. */
            sent_again: boolean;
        };
        /** @description Why an agent is revoked. */
        Revoke: {
            /** @description Why; for the history. */
            reason: string;
        };
        /**
         * @description Who a user is. Everybody who is signed in may look; [`Role::may`] says what else.
         * @enum {string}
         */
        Role: "inspector" | "reviewer" | "admin";
        /** @description A rule in words. */
        RuleView: {
            /**
             * Format: double
             * @description Averaging time, seconds.
             */
            averaging_s?: number | null;
            /** @description Its clause. */
            clause: string;
            /**
             * Format: double
             * @description Dwell time, seconds.
             */
            dwell_s?: number | null;
            /** @description Its id. */
            id: string;
            /** @description Name, version and hash, if it is a model. */
            model?: string | null;
            /** @description The standard. */
            standard: string;
            /** @description In words. */
            text: components["schemas"]["Text"];
            /** @description Its version. */
            version: string;
        };
        /** @description Something that a device said. */
        SaidView: {
            /** @description Name of the field, as the protocol has it. */
            name: string;
            /** @description Its value. */
            value: string;
        };
        /** @description How good a rule on what cameras see is at a site, by what people decided. */
        SeeingRule: {
            /**
             * Format: int64
             * @description Days on which a camera of the site gave the point, each camera counted, of the last 30.
             */
            camera_days: number;
            /** @description Cases that were confirmed because of it. */
            confirmed: number;
            /** @description … once so many cases are decided. */
            decided_min: number;
            /**
             * Format: int64
             * @description Signals of the last 30 days whose cases were set aside.
             */
            false_alarms: number;
            /**
             * Format: double
             * @description The same for each camera and day; nothing while there is none.
             */
            false_alarms_per_day?: number | null;
            /** @description True while it works in shadow: its signals are recorded and open no case. */
            is_shadow: boolean;
            /** @description The models behind its sightings; another model is counted from the start. */
            models: components["schemas"]["PictureModel"][];
            /** @description The point it looks at. */
            point: string;
            /**
             * Format: double
             * @description The share of confirmed ones; nothing while none is decided.
             */
            precision?: number | null;
            /**
             * Format: double
             * @description Below this share the rule works in shadow …
             */
            precision_min: number;
            /** @description The rule. */
            rule: string;
            /** @description Cases that were set aside. */
            set_aside: number;
            /**
             * Format: int64
             * @description Signals that were raised in shadow.
             */
            shadow_signals: number;
            /** @description What it says. */
            title: components["schemas"]["Text"];
            /**
             * Format: int32
             * @description Its version.
             */
            version: number;
        };
        /** @description A chart. */
        SeriesView: {
            /** @description Buckets, for long ones. */
            buckets?: components["schemas"]["BucketView"][] | null;
            /**
             * Format: int64
             * @description From.
             */
            from: number;
            /** @description Times without values. */
            gaps: components["schemas"]["Gap"][];
            /** @description Readings, for short windows. */
            raw?: components["schemas"]["RawPoint"][] | null;
            /**
             * Format: int64
             * @description To.
             */
            to: number;
            /** @description The unit. */
            unit: string;
        };
        /**
         * @description How urgent a signal is: I 提示, II 一般, III 较重, IV 严重.
         * @enum {string}
         */
        Severity: "I" | "II" | "III" | "IV";
        /** @description Name and password. */
        SignIn: {
            /** @description The password. */
            password: string;
            /** @description The user's name. */
            user: string;
        };
        /** @description A signal in one line. */
        SignalLine: {
            /** @description Its case. */
            case?: string | null;
            /**
             * Format: int64
             * @description Until when; `None` while it is open.
             */
            closed_at?: number | null;
            /** @description The device. */
            device: string;
            escalated?: null | components["schemas"]["EscalatedView"];
            /** @description Its id. */
            id: string;
            /**
             * Format: double
             * @description Against what.
             */
            limit?: number | null;
            /**
             * Format: double
             * @description What was measured, the worst.
             */
            measured?: number | null;
            /**
             * Format: int64
             * @description Since when.
             */
            opened_at: number;
            /** @description `le` or `ge`; `None` for models. */
            permitted?: string | null;
            /** @description The point. */
            point: string;
            /** @description Its label. */
            point_label: components["schemas"]["Text"];
            /** @description Rule or model, with version. */
            rule: string;
            /** @description How urgent. */
            severity: components["schemas"]["Severity"];
            /** @description True if it was raised in shadow: it is recorded, and opens no case. */
            shadow: boolean;
            /** @description Where. */
            site: string;
            /** @description What it says. */
            title: components["schemas"]["Text"];
            /** @description The unit of both. */
            unit: string;
        };
        /** @description A site in one line. */
        SiteLine: {
            /** @description Where it is. */
            address: string;
            /** @description Agents that are registered. */
            agents: number;
            /** @description Agents that are connected. */
            agents_online: number;
            /** @description Its business. */
            business: components["schemas"]["BusinessView"];
            /** @description `food`, `environment`, `safety`. */
            domains: string[];
            /** @description Its id. */
            id: string;
            /**
             * Format: int64
             * @description Time of its latest reading.
             */
            last_reading_at?: number | null;
            /** @description Its name. */
            name: components["schemas"]["Text"];
            /** @description Its open signals. */
            open: components["schemas"]["BySeverity"];
            /** @description `live`, `quiet`, `offline` or `never`, from its readings. */
            status: string;
        };
        /** @description A site with everything. */
        SitePage: {
            /** @description Coverage of all its devices today. */
            coverage: components["schemas"]["BalanceView"];
            /** @description Its devices. */
            devices: components["schemas"]["DeviceLine"][];
            /** @description Gap records of its devices, the latest first. */
            gaps: components["schemas"]["GapLine"][];
            /**
             * Format: int64
             * @description The gateway's clock.
             */
            now: number;
            /** @description Its points. */
            points: components["schemas"]["PointLine"][];
            /** @description Its signals, the newest first. */
            signals: components["schemas"]["SignalLine"][];
            /** @description The site. */
            site: components["schemas"]["SiteLine"];
        };
        /** @description How a device does, seen from its agent. */
        SourceView: {
            /**
             * Format: int64
             * @description Since when it is silent.
             */
            since?: number | null;
            /** @description `unknown`: nothing came yet; `answers`; `silent`. */
            state: string;
            /** @description Why it is silent: the word of an absence. */
            why?: string | null;
        };
        /**
         * @description Whether an agent runs what is wanted of it.
         * @enum {string}
         */
        Standing: "own" | "other" | "waiting" | "trial" | "applied" | "refused" | "rolled_back";
        /**
         * @description Where a case stands.
         * @enum {string}
         */
        State: "open" | "taken" | "confirmed" | "rejected";
        /**
         * @description Where an entry stands.
         * @enum {string}
         */
        Status: "notified" | "in_force" | "under_objection" | "corrected" | "withdrawn" | "repaired" | "expired";
        /** @description How the gateway is. */
        StatusView: {
            /** @description The agents of the registry and those heard of, by site and name. */
            agents: components["schemas"]["AgentLine"][];
            /**
             * Format: int64
             * @description The last block the rules have looked at.
             */
            detect: number;
            /**
             * Format: int64
             * @description Messages seen before, and not journaled again.
             */
            duplicates: number;
            /** @description The footage of the gateway. */
            footage: components["schemas"]["FootageSums"];
            /**
             * Format: int64
             * @description The last block that InfluxDB has; `None` if it is not configured.
             */
            influx?: number | null;
            /** @description Writing to InfluxDB. */
            influx_part: components["schemas"]["PartView"];
            /**
             * Format: int64
             * @description The last journal block.
             */
            journal: number;
            /**
             * Format: int64
             * @description The gateway's time.
             */
            now: number;
            /**
             * Format: int64
             * @description Readings from a clock that is ahead, which no rule could use; as far back as well.
             */
            readings_ahead: number;
            /**
             * Format: int64
             * @description Readings journaled.
             */
            readings_journaled: number;
            /**
             * Format: int64
             * @description Readings that came too late for the rules, as far back as the state of the rules reaches.
             */
            readings_late: number;
            /** @description What was refused last, the newest first; at most a hundred. */
            refused: components["schemas"]["RefusedMessage"][];
            /** @description Reasons for which something was refused, how often and when last. */
            refused_by_reason: components["schemas"]["RefusedTally"][];
            /** @description Scoring by the model. */
            scoring_part: components["schemas"]["PartView"];
            /**
             * Format: int64
             * @description The last block in the embedded series store; `None` if InfluxDB is kept instead of it.
             */
            series?: number | null;
            /** @description The embedded series store. */
            series_part: components["schemas"]["PartView"];
            /** @description The file in the data folder in which such messages stand whole. */
            set_aside_file: string;
            /**
             * Format: int64
             * @description When it started; counters begin there unless they say otherwise.
             */
            started_at: number;
        };
        /** @description A change of an entry's status. */
        StepView: {
            /**
             * Format: int64
             * @description When.
             */
            at: number;
            /** @description Who. */
            by: string;
            /** @description Why. */
            reason: string;
            /** @description The status from here on. */
            status: components["schemas"]["Status"];
        };
        /** @description How often one connection of an agent took over from another, since the start. */
        TakeoversView: {
            /**
             * Format: int64
             * @description How often.
             */
            count: number;
            /** @description So often that two boxes seem to use this identity. */
            is_contested: boolean;
            /**
             * Format: int64
             * @description When last.
             */
            last_at?: number | null;
            /** @description Address of the later connection, and of the earlier. */
            peers: string[];
        };
        /** @description A text in the two languages of the screens. */
        Text: {
            /** @description English. */
            en: string;
            /** @description Chinese. */
            zh: string;
        };
        /**
         * @description How it stands with an original.
         * @enum {string}
         */
        UnmaskingState: "asked" | "approved" | "here" | "refused" | "withdrawn";
        /** @description The wish to have an original. */
        UnmaskingView: {
            /** @description Who approved. */
            approvals: components["schemas"]["ApprovalView"][];
            /**
             * Format: int64
             * @description When.
             */
            asked_at: number;
            /** @description Who asked. */
            asked_by: string;
            end?: null | components["schemas"]["EndView"];
            /** @description Why. */
            reason: string;
            /** @description How it stands. */
            state: components["schemas"]["UnmaskingState"];
        };
        /** @description Who is signed in. */
        UserView: {
            /** @description What the user may do beside looking. */
            may: components["schemas"]["Act"][];
            /** @description The name to show. */
            name: string;
            /** @description Who the user is. */
            role: components["schemas"]["Role"];
            /** @description The user's id. */
            user: string;
        };
        /** @description A version. */
        VersionView: {
            /**
             * Format: int64
             * @description When.
             */
            at: number;
            became?: null | components["schemas"]["BecameView"];
            /** @description Who wanted it. */
            by: string;
            /** @description Profiles and mappings that the text names, by name. */
            files: {
                [key: string]: string;
            };
            /** @description TOML. */
            text: string;
            /**
             * Format: int64
             * @description Its number.
             */
            version: number;
            /** @description Why. */
            why: string;
        };
        /** @description An item of a visit. */
        VisitItem: {
            /** @description Who has to. */
            departments: components["schemas"]["Text"][];
            /**
             * Format: int64
             * @description By when.
             */
            due_at?: number | null;
            /** @description Its id. */
            id: string;
            /**
             * Format: int64
             * @description Before this its department may not come again.
             */
            not_before?: number | null;
            proved_by?: null | components["schemas"]["Text"];
            /**
             * Format: int64
             * @description Since when readings prove it.
             */
            proved_since?: number | null;
            /** @description What to check. */
            text: components["schemas"]["Text"];
        };
        /** @description A visit. */
        VisitView: {
            /** @description Where it is. */
            address: string;
            /** @description The business. */
            business: components["schemas"]["BusinessView"];
            /** @description Findings to look at again. */
            findings: components["schemas"]["FindingView"][];
            /** @description Its class. */
            grade: components["schemas"]["Class"];
            /** @description What to check. */
            items: components["schemas"]["VisitItem"][];
            /** @description What has to wait, since its department was here not long ago. */
            later: components["schemas"]["VisitItem"][];
            /** @description Where. */
            site: string;
            /** @description Its name. */
            site_name: components["schemas"]["Text"];
            /** @description Why it stands here. */
            why: components["schemas"]["Text"][];
        };
        /** @description A site to which nobody goes for now. */
        WaitingView: {
            /** @description The business. */
            business: components["schemas"]["BusinessView"];
            /** @description Its class. */
            grade: components["schemas"]["Class"];
            /**
             * Format: int64
             * @description From when somebody may; `None` if nothing has to be looked at.
             */
            next_at?: number | null;
            /** @description Where. */
            site: string;
            /** @description Its name. */
            site_name: components["schemas"]["Text"];
            /** @description Why nobody goes. */
            why: components["schemas"]["Text"][];
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    agents: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AgentsView"];
                };
            };
        };
    };
    add: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AddAgent"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CodeView"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    versions: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                agent: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ConfigurationPage"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    propose: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                agent: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewConfiguration"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ConfigurationPage"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    orders: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                agent: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OrderView"][];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    order: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                agent: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["GiveOrder"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OrderView"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    revoke: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                agent: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Revoke"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AgentsView"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    businesses: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["BusinessLine"][];
                };
            };
        };
    };
    credit: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                uscc: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CreditPage"];
                };
            };
        };
    };
    cameras: {
        parameters: {
            query?: {
                /** @description Of this site; of all if left out. */
                site?: string | null;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CameraView"][];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    cases: {
        parameters: {
            query?: {
                /** @description `open`, `taken`, `confirmed` or `rejected`; all if left out. `open` includes `taken`. */
                state?: null | components["schemas"]["State"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CaseLine"][];
                };
            };
        };
    };
    case: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CasePage"];
                };
            };
        };
    };
    decide: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["DecisionBody"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CasePage"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    take: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CasePage"];
                };
            };
        };
    };
    coverage: {
        parameters: {
            query?: {
                /** @description Only this agent. */
                agent?: string | null;
                /** @description Only this site. */
                site?: string | null;
                /** @description One day, `2026-11-25` (in +08:00); today if no day is given. */
                day?: string | null;
                /** @description The first of several days. */
                from?: string | null;
                /** @description The last of several days; today if left out. */
                to?: string | null;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CoverageView"];
                };
            };
        };
    };
    act_on_credit: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
                action: components["schemas"]["Action"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ChangeBody"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CreditPage"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    enroll: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Enroll"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Enrolled"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    bundle: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/zip": number[];
                };
            };
        };
    };
    fleet: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FleetView"];
                };
            };
        };
    };
    fleet_agent: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                agent: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FleetPage"];
                };
            };
        };
    };
    footage: {
        parameters: {
            query?: {
                /** @description Of this site. */
                site?: string | null;
                /** @description Of this camera. */
                camera?: string | null;
                /** @description Of this case: of its signals' cameras, points and times. It is listed as a whole, the oldest first. */
                case?: string | null;
                /** @description The newest so many, 50 if left out, at most 500. */
                limit?: number | null;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FootageView"][];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    one: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FootageView"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    part: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
                role: components["schemas"]["PartRole"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/octet-stream": number[];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    unmask: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AskUnmasking"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FootageView"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    approve: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FootageView"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    refuse: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["EndUnmasking"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FootageView"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    withdraw: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["EndUnmasking"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FootageView"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    plan: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PlanView"];
                };
            };
        };
    };
    overview: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Overview"];
                };
            };
        };
    };
    series: {
        parameters: {
            query: {
                /** @description The site. */
                site: string;
                /** @description The device. */
                device: string;
                /** @description The point. */
                point: string;
                /** @description From, ms since 1970. */
                from: number;
                /** @description To, exclusive. */
                to: number;
                /** @description Buckets wanted if there are more readings than this. */
                buckets?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SeriesView"];
                };
            };
        };
    };
    whoami: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UserView"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    sign_in: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SignIn"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UserView"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    sign_out: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    site: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                site: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SitePage"];
                };
            };
        };
    };
    site_signals: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                site: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SignalLine"][];
                };
            };
        };
    };
    status: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["StatusView"];
                };
            };
        };
    };
}
