# Configuration of a test plan: instances that lead to a database and have a key pair, a public address or an
# ingress rule, which are refused; and one that is reached through Session Manager alone.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true
}

resource "aws_subnet" "private" {
  vpc_id                  = "vpc-0a1b2c3d4e5f67890"
  cidr_block              = "10.0.0.0/24"
  map_public_ip_on_launch = false
}

resource "aws_subnet" "public" {
  vpc_id                  = "vpc-0a1b2c3d4e5f67890"
  cidr_block              = "10.0.1.0/24"
  map_public_ip_on_launch = true
}

resource "aws_security_group" "database" {
  name   = "database"
  vpc_id = "vpc-0a1b2c3d4e5f67890"
}

# Leads to the database by a rule of the database's group.
resource "aws_security_group" "host" {
  name   = "host"
  vpc_id = "vpc-0a1b2c3d4e5f67890"
}

resource "aws_vpc_security_group_ingress_rule" "database" {
  security_group_id            = aws_security_group.database.id
  referenced_security_group_id = aws_security_group.host.id
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

# Leads to the database by a rule of its own, and lets SSH in.
resource "aws_security_group" "open" {
  name   = "open"
  vpc_id = "vpc-0a1b2c3d4e5f67890"

  egress {
    protocol        = "tcp"
    from_port       = 3306
    to_port         = 3306
    security_groups = [aws_security_group.database.id]
  }

  ingress {
    protocol    = "tcp"
    from_port   = 22
    to_port     = 22
    cidr_blocks = ["10.0.0.0/8"]
  }
}

# Leads to no database.
resource "aws_security_group" "web" {
  name   = "web"
  vpc_id = "vpc-0a1b2c3d4e5f67890"
}

resource "aws_vpc_security_group_ingress_rule" "web" {
  security_group_id = aws_security_group.web.id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "10.0.0.0/8"
}

resource "aws_instance" "right" {
  ami                    = "ami-0a1b2c3d4e5f67890"
  instance_type          = "t4g.nano"
  subnet_id              = aws_subnet.private.id
  vpc_security_group_ids = [aws_security_group.host.id]
}

resource "aws_instance" "key" {
  ami                    = "ami-0a1b2c3d4e5f67890"
  instance_type          = "t4g.nano"
  key_name               = "people"
  subnet_id              = aws_subnet.private.id
  vpc_security_group_ids = [aws_security_group.host.id]
}

resource "aws_instance" "public_subnet" {
  ami                    = "ami-0a1b2c3d4e5f67890"
  instance_type          = "t4g.nano"
  subnet_id              = aws_subnet.public.id
  vpc_security_group_ids = [aws_security_group.host.id]
}

resource "aws_instance" "public" {
  ami                         = "ami-0a1b2c3d4e5f67890"
  associate_public_ip_address = true
  instance_type               = "t4g.nano"
  subnet_id                   = aws_subnet.private.id
  vpc_security_group_ids      = [aws_security_group.host.id]
}

resource "aws_instance" "elastic" {
  ami                    = "ami-0a1b2c3d4e5f67890"
  instance_type          = "t4g.nano"
  subnet_id              = aws_subnet.private.id
  vpc_security_group_ids = [aws_security_group.host.id]
}

resource "aws_eip" "elastic" {
  instance = aws_instance.elastic.id
}

resource "aws_instance" "ssh" {
  ami                    = "ami-0a1b2c3d4e5f67890"
  instance_type          = "t4g.nano"
  subnet_id              = aws_subnet.private.id
  vpc_security_group_ids = [aws_security_group.open.id]
}

resource "aws_instance" "web" {
  ami                         = "ami-0a1b2c3d4e5f67890"
  associate_public_ip_address = true
  instance_type               = "t4g.nano"
  key_name                    = "people"
  subnet_id                   = aws_subnet.public.id
  vpc_security_group_ids      = [aws_security_group.web.id]
}

resource "aws_instance" "elsewhere" {
  ami                    = "ami-0a1b2c3d4e5f67890"
  instance_type          = "t4g.nano"
  key_name               = "people"
  subnet_id              = "subnet-0a1b2c3d4e5f67890"
  vpc_security_group_ids = ["sg-0a1b2c3d4e5f67890"]
}
