-- Database of the fictitious town Lindenau an der Wette. Amounts are euros, dates are ISO 8601.

CREATE TABLE departments (
    id INTEGER PRIMARY KEY,            -- number of the office in the organisation chart
    name TEXT NOT NULL UNIQUE,
    room TEXT NOT NULL,
    phone TEXT NOT NULL,
    email TEXT NOT NULL,
    head_employee_id INTEGER NOT NULL REFERENCES employees (id) DEFERRABLE INITIALLY DEFERRED
);

CREATE TABLE employees (
    id INTEGER PRIMARY KEY,
    department_id INTEGER NOT NULL REFERENCES departments (id),
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    position TEXT NOT NULL,
    pay_grade TEXT NOT NULL,           -- collective agreement for the public service, E 5 to E 15
    weekly_hours REAL NOT NULL,
    hired_on TEXT NOT NULL,
    phone TEXT NOT NULL,
    email TEXT NOT NULL UNIQUE
);

CREATE TABLE addresses (
    id INTEGER PRIMARY KEY,
    street TEXT NOT NULL,
    house_number TEXT NOT NULL,
    postal_code TEXT NOT NULL,
    town TEXT NOT NULL,
    district TEXT NOT NULL,
    UNIQUE (street, house_number)
);

CREATE TABLE citizens (
    id INTEGER PRIMARY KEY,
    address_id INTEGER NOT NULL REFERENCES addresses (id),
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    born_on TEXT NOT NULL,
    tax_id TEXT NOT NULL UNIQUE,       -- test number: begins with 0
    iban TEXT,                         -- bank code 99990417 does not exist
    phone TEXT,
    email TEXT,
    registered_on TEXT NOT NULL
);

CREATE TABLE dogs (
    id INTEGER PRIMARY KEY,
    owner_id INTEGER NOT NULL REFERENCES citizens (id),
    name TEXT NOT NULL,
    breed TEXT NOT NULL,
    born_year INTEGER NOT NULL,
    tag_number TEXT NOT NULL UNIQUE,
    registered_on TEXT NOT NULL,
    dangerous INTEGER NOT NULL CHECK (dangerous IN (0, 1)),
    annual_tax_eur REAL NOT NULL       -- rates of the bylaw of 21 November 2024
);

CREATE TABLE businesses (
    id INTEGER PRIMARY KEY,
    owner_id INTEGER NOT NULL REFERENCES citizens (id),
    address_id INTEGER NOT NULL REFERENCES addresses (id),
    name TEXT NOT NULL,
    sector TEXT NOT NULL,
    registered_on TEXT NOT NULL,
    deregistered_on TEXT,
    employees INTEGER NOT NULL
);

CREATE TABLE building_permits (
    id INTEGER PRIMARY KEY,
    file_number TEXT NOT NULL UNIQUE,
    applicant_id INTEGER NOT NULL REFERENCES citizens (id),
    address_id INTEGER NOT NULL REFERENCES addresses (id),
    clerk_id INTEGER NOT NULL REFERENCES employees (id),
    kind TEXT NOT NULL,
    submitted_on TEXT NOT NULL,
    decided_on TEXT,
    status TEXT NOT NULL CHECK (status IN ('in Prüfung', 'genehmigt', 'abgelehnt', 'zurückgezogen')),
    shell_cost_eur REAL NOT NULL,
    fee_eur REAL NOT NULL              -- 0.6 percent of the shell cost, at least 150 euros
);

CREATE TABLE invoices (
    id INTEGER PRIMARY KEY,
    number TEXT NOT NULL UNIQUE,
    citizen_id INTEGER NOT NULL REFERENCES citizens (id),
    department_id INTEGER NOT NULL REFERENCES departments (id),
    kind TEXT NOT NULL,
    issued_on TEXT NOT NULL,
    due_on TEXT NOT NULL,
    amount_eur REAL NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('offen', 'bezahlt', 'gemahnt'))
);

CREATE TABLE payments (
    id INTEGER PRIMARY KEY,
    invoice_id INTEGER NOT NULL REFERENCES invoices (id),
    paid_on TEXT NOT NULL,
    amount_eur REAL NOT NULL,
    method TEXT NOT NULL CHECK (method IN ('Lastschrift', 'Überweisung', 'Karte', 'bar')),
    payer_iban TEXT
);

CREATE TABLE meetings (
    id INTEGER PRIMARY KEY,
    body TEXT NOT NULL,
    held_on TEXT NOT NULL,
    place TEXT NOT NULL,
    members_present INTEGER NOT NULL,
    UNIQUE (body, held_on)
);

CREATE TABLE resolutions (
    id INTEGER PRIMARY KEY,
    meeting_id INTEGER NOT NULL REFERENCES meetings (id),
    department_id INTEGER NOT NULL REFERENCES departments (id),
    item INTEGER NOT NULL,
    title TEXT NOT NULL,
    votes_yes INTEGER NOT NULL,
    votes_no INTEGER NOT NULL,
    abstentions INTEGER NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('angenommen', 'abgelehnt')),
    UNIQUE (meeting_id, item)
);

CREATE INDEX citizens_by_name ON citizens (last_name, first_name);
CREATE INDEX invoices_by_citizen ON invoices (citizen_id);
CREATE INDEX payments_by_invoice ON payments (invoice_id);
